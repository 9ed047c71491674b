// Calls a URL with one of the two clients of Java's own library and prints what it got.
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;

public class Call {
    public static void main(String[] words) throws Exception {
        URI uri = URI.create(words[1]);
        if (words[0].equals("HttpClient")) {
            HttpRequest request = HttpRequest.newBuilder(uri).build();
            System.out.write(HttpClient.newHttpClient().send(request, BodyHandlers.ofByteArray()).body());
        } else {
            ((HttpURLConnection) uri.toURL().openConnection()).getInputStream().transferTo(System.out);
        }
        System.out.flush();
    }
}
