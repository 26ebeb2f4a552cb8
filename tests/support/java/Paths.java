import java.io.FileInputStream;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertPath;
import java.security.cert.CertPathValidator;
import java.security.cert.CertStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** Java's PKIX validation of each folder named: chain.pem (leaf first) below anchor.pem; with crls/, revocation too. */
class Paths {
    public static void main(String[] folders) throws Exception {
        for (String folder : folders) {
            System.out.println(folder + "\t" + verdict(Path.of(folder)));
        }
    }

    private static String verdict(Path folder) {
        try {
            CertificateFactory factory = CertificateFactory.getInstance("X.509");
            List<Certificate> chain = new ArrayList<>(all(factory, folder.resolve("chain.pem")));
            X509Certificate anchor = (X509Certificate) all(factory, folder.resolve("anchor.pem")).iterator().next();
            CertPath path = factory.generateCertPath(chain);
            PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(anchor, null)));
            Path crls = folder.resolve("crls");
            parameters.setRevocationEnabled(Files.isDirectory(crls));
            if (Files.isDirectory(crls)) {
                List<Object> found = new ArrayList<>();
                try (Stream<Path> files = Files.list(crls)) {
                    for (Path file : (Iterable<Path>) files::iterator) {
                        try (InputStream in = new FileInputStream(file.toFile())) {
                            found.add(factory.generateCRL(in));
                        }
                    }
                }
                CollectionCertStoreParameters store = new CollectionCertStoreParameters(found);
                parameters.addCertStore(CertStore.getInstance("Collection", store));
            }
            CertPathValidator.getInstance("PKIX").validate(path, parameters);
            return "ok";
        } catch (Exception error) {
            return String.valueOf(error.getMessage());
        }
    }

    private static Collection<? extends Certificate> all(CertificateFactory factory, Path file) throws Exception {
        try (InputStream in = new FileInputStream(file.toFile())) {
            return factory.generateCertificates(in);
        }
    }
}
