import java.io.FileInputStream;
import java.net.URI;
import java.security.cert.*;
import java.util.*;

/** Java's own judge of OCSP answers: java RevocationCheck.java issuer.pem leaf.pem http://responder/ */
public class RevocationCheck {
    public static void main(String[] words) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        X509Certificate issuer, leaf;
        try (FileInputStream one = new FileInputStream(words[0]); FileInputStream two = new FileInputStream(words[1])) {
            issuer = (X509Certificate) factory.generateCertificate(one);
            leaf = (X509Certificate) factory.generateCertificate(two);
        }
        CertPathValidator validator = CertPathValidator.getInstance("PKIX");
        PKIXRevocationChecker checker = (PKIXRevocationChecker) validator.getRevocationChecker();
        checker.setOcspResponder(new URI(words[2]));
        // no CRL instead, and no soft failure: without a proven answer the path is refused
        checker.setOptions(EnumSet.of(PKIXRevocationChecker.Option.ONLY_END_ENTITY, PKIXRevocationChecker.Option.NO_FALLBACK));
        PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(issuer, null)));
        parameters.addCertPathChecker(checker);
        try {
            validator.validate(factory.generateCertPath(List.of(leaf)), parameters);
            System.out.println("good");
        } catch (CertPathValidatorException refused) {
            Throwable cause = refused.getCause();
            if (cause instanceof CertificateRevokedException revoked) {
                System.out.println("revoked " + revoked.getRevocationReason());
            } else {
                System.out.println(refused.getReason() + " " + refused.getMessage());
            }
        }
    }
}
