// Calls a URL with fetch or http.get and prints what it got.
const http = require("http");
const [how, url] = process.argv.slice(2);

const failed = (error) => {
  console.error(error.cause || error);
  process.exit(1);
};

if (how === "fetch") {
  fetch(url).then((response) => response.text()).then(console.log, failed);
} else {
  http.get(url, (response) => response.pipe(process.stdout)).on("error", failed);
}
