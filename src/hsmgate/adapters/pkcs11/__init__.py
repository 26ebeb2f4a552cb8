"""Keys that live in a PKCS#11 token. The only place of the package `pkcs11`, of C_Initialize and of PINs."""
