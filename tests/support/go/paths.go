// Go's rules for each folder named: chain.pem (leaf first) below anchor.pem, for the use that the leaf names;
// with answer.der and responder's issuer at chain[1], what golang.org/x/crypto/ocsp reads in it.
package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ocsp"
)

func certificates(file string) ([]*x509.Certificate, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var found []*x509.Certificate
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		found = append(found, certificate)
	}
	return found, nil
}

func verdict(folder string) (string, error) {
	chain, err := certificates(filepath.Join(folder, "chain.pem"))
	if err != nil {
		return "", err
	}
	anchors, err := certificates(filepath.Join(folder, "anchor.pem"))
	if err != nil {
		return "", err
	}
	options := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), KeyUsages: chain[0].ExtKeyUsage}
	for _, anchor := range anchors {
		options.Roots.AddCert(anchor)
	}
	for _, above := range chain[1:] {
		options.Intermediates.AddCert(above)
	}
	if len(chain[0].DNSNames) > 0 {
		options.DNSName = chain[0].DNSNames[0]
	}
	if _, err := chain[0].Verify(options); err != nil {
		return "", err
	}
	answer, err := os.ReadFile(filepath.Join(folder, "answer.der"))
	if os.IsNotExist(err) {
		return "ok", nil
	}
	read, err := ocsp.ParseResponseForCert(answer, chain[0], append(chain[1:], anchors...)[0])
	if err != nil {
		return "", err
	}
	switch read.Status {
	case ocsp.Good:
		return "ok good", nil
	case ocsp.Revoked:
		return fmt.Sprintf("ok revoked %d", read.RevocationReason), nil
	}
	return "ok unknown", nil
}

func main() {
	for _, folder := range os.Args[1:] {
		says, err := verdict(folder)
		if err != nil {
			says = err.Error()
		}
		fmt.Printf("%s\t%s\n", folder, says)
	}
}
