// Creates a P-256 key, signs with it, and verifies the signature with the public key alone. Go's own library, and the
// command openssl for the client's PKCS#12 file, which Go cannot read. Wants a quickstart that is served:
//
//	go run examples/client.go [QUICKSTART-FOLDER [PORT]]
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

type service struct {
	client *http.Client
	url    string
}

type object map[string]any

type created struct {
	JSON struct {
		PublicKey []byte `json:"publicKey"`
	} `json:"json"`
}

type signed struct {
	Signature []byte `json:"signature"`
}

type verified struct {
	SignatureValid bool `json:"signatureValid"`
}

// connect trusts the service's root, and shows our own certificate.
func connect(folder, port string) (*service, error) {
	root, err := os.ReadFile(filepath.Join(folder, "ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(root) {
		return nil, fmt.Errorf("ca.crt holds no certificate")
	}
	// the key goes through a pipe, and the password stays in its file
	pem, err := exec.Command("openssl", "pkcs12", "-in", filepath.Join(folder, "client.p12"), "-nodes",
		"-passin", "file:"+filepath.Join(folder, "client.p12.password")).Output()
	if err != nil {
		return nil, fmt.Errorf("openssl pkcs12: %w", err)
	}
	pair, err := tls.X509KeyPair(pem, pem)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}, Timeout: 30 * time.Second}
	return &service{client, "https://localhost:" + port}, nil
}

// call sends a body as JSON, if there is one, and reads the answer into `answer`.
func (s *service) call(method, path string, body, answer any) error {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequest(method, s.url+path, content)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s %s: %d %s", method, path, response.StatusCode, text)
	}
	return json.Unmarshal(text, answer)
}

// verifies does without the service: with the public key that it gave.
func verifies(publicKey, signature, payload []byte) (bool, error) {
	parsed, err := x509.ParsePKIXPublicKey(publicKey)
	if err != nil {
		return false, err
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok {
		return false, fmt.Errorf("no EC key: %T", parsed)
	}
	digest := sha256.Sum256(payload)
	return ecdsa.VerifyASN1(key, digest[:], signature), nil
}

func use(s *service, label string, payload []byte) (err error) {
	var key created
	attributes := object{"sign": true, "destroyable": true}
	wanted := object{"label": label, "algorithm": "EC", "curveOid": "1.2.840.10045.3.1.7", "attributes": attributes}
	if err := s.call("POST", "/v1/key", wanted, &key); err != nil {
		return err
	}
	defer func() {
		if failed := s.call("DELETE", "/v1/key/"+label, nil, &object{}); err == nil {
			err = failed
		}
	}()

	var answer signed
	wish := object{"signKeyName": label, "payload": payload, "signatureAlgorithm": "SHA256_WITH_ECDSA"}
	if err := s.call("POST", "/v1/synchronousSign", object{"signRequest": wish}, &answer); err != nil {
		return err
	}
	var told verified
	wish["signature"] = answer.Signature
	if err := s.call("POST", "/v1/verify", object{"verifySignatureRequest": wish}, &told); err != nil {
		return err
	}
	good, err := verifies(key.JSON.PublicKey, answer.Signature, payload)
	if err != nil {
		return err
	}
	wrong, err := verifies(key.JSON.PublicKey, answer.Signature, append(payload, '0'))
	if err != nil {
		return err
	}
	if !good || wrong || !told.SignatureValid {
		return fmt.Errorf("the signature does not verify")
	}
	fmt.Println("Verified OK")
	return nil
}

func main() {
	log.SetFlags(0)
	arguments := append(os.Args[1:], []string{"quickstart", "8080"}[min(len(os.Args)-1, 2):]...)
	s, err := connect(arguments[0], arguments[1])
	if err != nil {
		log.Fatal(err)
	}
	label := fmt.Sprintf("example-go-%d", os.Getpid())
	if err := use(s, label, []byte("pay 10 to Alice")); err != nil {
		log.Fatal(err)
	}
	fmt.Println("created, used and deleted:", label)
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}
