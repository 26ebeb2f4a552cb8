import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.CertificateFactory;
import java.security.spec.X509EncodedKeySpec;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * Creates a P-256 key, signs with it, and verifies the signature with the public key alone. Nothing but the JDK (11 or newer).
 * Wants a quickstart that is served:
 *
 *     java examples/Client.java [QUICKSTART-FOLDER [PORT]]
 */
public class Client {
    private final HttpClient http;
    private final String url;

    Client(Path folder, int port) throws Exception {
        http = HttpClient.newBuilder().sslContext(tls(folder)).version(HttpClient.Version.HTTP_1_1).build();
        url = "https://localhost:" + port;
    }

    /** Our own key and certificate, and trust in the service's root. */
    private static SSLContext tls(Path folder) throws Exception {
        char[] password = Files.readString(folder.resolve("client.p12.password")).strip().toCharArray();
        KeyStore ours = KeyStore.getInstance("PKCS12");
        try (InputStream file = Files.newInputStream(folder.resolve("client.p12"))) {
            ours.load(file, password);
        }
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(ours, password);

        KeyStore roots = KeyStore.getInstance(KeyStore.getDefaultType());
        roots.load(null, null);
        try (InputStream file = Files.newInputStream(folder.resolve("ca.crt"))) {
            roots.setCertificateEntry("root", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(roots);

        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }

    /** The answer's JSON as text. */
    String call(String method, String path, String body) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url + path))
            .header("Content-Type", "application/json")
            .method(method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body))
            .build();
        HttpResponse<String> response = http.send(request, BodyHandlers.ofString());
        if (response.statusCode() != 200 && response.statusCode() != 201) {
            throw new IllegalStateException(method + " " + path + ": " + response.statusCode() + " " + response.body());
        }
        return response.body();
    }

    /** One member of a JSON object, where it is Base64: text without escapes. */
    private static byte[] octets(String json, String member) {
        Matcher found = Pattern.compile("\"" + member + "\":\"([A-Za-z0-9+/=]*)\"").matcher(json);
        if (!found.find()) {
            throw new IllegalStateException("no " + member + " in " + json);
        }
        return Base64.getDecoder().decode(found.group(1));
    }

    /** Without the service: with the public key that it gave. */
    private static boolean verifies(byte[] publicKey, byte[] signature, String payload) throws Exception {
        PublicKey key = KeyFactory.getInstance("EC").generatePublic(new X509EncodedKeySpec(publicKey));
        Signature verifier = Signature.getInstance("SHA256withECDSA");
        verifier.initVerify(key);
        verifier.update(payload.getBytes(StandardCharsets.UTF_8));
        return verifier.verify(signature);
    }

    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments.length > 0 ? arguments[0] : "quickstart");
        Client client = new Client(folder, arguments.length > 1 ? Integer.parseInt(arguments[1]) : 8080);
        String label = "example-java-" + ProcessHandle.current().pid();
        String text = "pay 10 to Alice";
        String created = client.call("POST", "/v1/key", "{\"label\": \"" + label + "\", \"algorithm\": \"EC\","
            + "\"curveOid\": \"1.2.840.10045.3.1.7\", \"attributes\": {\"sign\": true, \"destroyable\": true}}");
        try {
            String wish = "\"signKeyName\": \"" + label + "\", \"signatureAlgorithm\": \"SHA256_WITH_ECDSA\", \"payload\": \""
                + Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8)) + "\"";
            byte[] signature = octets(client.call("POST", "/v1/synchronousSign", "{\"signRequest\": {" + wish + "}}"),
                "signature");
            String told = client.call("POST", "/v1/verify", "{\"verifySignatureRequest\": {" + wish + ", \"signature\": \""
                + Base64.getEncoder().encodeToString(signature) + "\"}}");
            byte[] publicKey = octets(created, "publicKey");
            if (!verifies(publicKey, signature, text) || verifies(publicKey, signature, text + "0")
                    || !told.equals("{\"signatureValid\":true}")) {
                throw new IllegalStateException("the signature does not verify");
            }
            System.out.println("Verified OK");
        } finally {
            client.call("DELETE", "/v1/key/" + label, null);
        }
        System.out.println("created, used and deleted: " + label);
    }
}
