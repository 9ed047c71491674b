// A certified OpenID provider (https://github.com/panva/node-oidc-provider) with one client. Anybody may sign in, with any word.
// node oidc_provider.mjs FOLDER_OF_THE_PACKAGE REDIRECT_URI   prints its port
import { createServer } from 'node:http'
import { pathToFileURL } from 'node:url'

const [, , folder, redirect] = process.argv
const { default: Provider } = await import(pathToFileURL(`${folder}/lib/index.js`))
const server = createServer()
await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
const { port } = server.address()
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: 'shop', client_secret: 'a-secret-of-the-shop', redirect_uris: [redirect],
              grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] }],
  pkce: { required: () => true },
  claims: { openid: ['sub'], profile: ['groups'] },
  conformIdTokenClaims: false,
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, groups: id === 'jo' ? ['staff'] : ['guests'] }) }),
})
server.on('request', provider.callback())
console.log(port)
