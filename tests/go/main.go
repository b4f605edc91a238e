// A client of the broker by Go's own TLS: for each version it checks the certificate, speaks a request and its reply over a
// WebSocket, comes back with the ticket that it got, and is refused where it should be. Prints a line for each that is as it
// should be; the first that is not ends it.
//
// Usage: client ADDRESS NAME CA.pem
package main

import (
	"bufio"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"time"
)

// How long one connection may take.
const patience = 20 * time.Second

func main() {
	if len(os.Args) != 4 {
		fail(errors.New("usage: client ADDRESS NAME CA.pem"))
	}
	address, name := os.Args[1], os.Args[2]
	pem, err := os.ReadFile(os.Args[3])
	fail(err)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		fail(errors.New("no certificate in " + os.Args[3]))
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := &tls.Config{
			RootCAs:            roots,
			ServerName:         name,
			MinVersion:         version,
			MaxVersion:         version,
			NextProtos:         []string{"h2", "http/1.1"},
			ClientSessionCache: tls.NewLRUClientSessionCache(1),
		}
		for _, resumes := range []bool{false, true} {
			fail(speak(address, config, resumes))
			fmt.Printf("ok: %s, resumed %v\n", versions[version], resumes)
		}
	}
	for _, refused := range []struct {
		what   string
		change func(*tls.Config)
	}{
		{"another name", func(config *tls.Config) { config.ServerName = "other.example" }},
		{"no authority", func(config *tls.Config) { config.RootCAs = x509.NewCertPool() }},
		{"TLS 1.1", func(config *tls.Config) { config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }},
		{"another protocol", func(config *tls.Config) { config.NextProtos = []string{"h2"} }},
		{"keys of RSA", func(config *tls.Config) {
			config.MaxVersion, config.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
		}},
	} {
		config := &tls.Config{RootCAs: roots, ServerName: name}
		refused.change(config)
		connection, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", address, config)
		if err == nil {
			connection.Close()
			fail(errors.New("accepted: " + refused.what))
		}
		fmt.Printf("ok: refused %s\n", refused.what)
	}
}

var versions = map[uint16]string{tls.VersionTLS12: "TLS 1.2", tls.VersionTLS13: "TLS 1.3"}

// speak opens a WebSocket, connects, and reads the ack.
func speak(address string, config *tls.Config, resumes bool) error {
	connection, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", address, config)
	if err != nil {
		return err
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(patience))
	state := connection.ConnectionState()
	if state.Version != config.MinVersion || state.NegotiatedProtocol != "http/1.1" || state.DidResume != resumes {
		return fmt.Errorf("negotiated %x, %q, resumed %v", state.Version, state.NegotiatedProtocol, state.DidResume)
	}
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	key := base64.StdEncoding.EncodeToString(random)
	fmt.Fprintf(connection, "GET /ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Protocol: sluicegate.v1.json\r\n\r\n", config.ServerName, key)
	reader := bufio.NewReader(connection)
	lines := textproto.NewReader(reader)
	status, err := lines.ReadLine()
	if err != nil {
		return err
	}
	header, err := lines.ReadMIMEHeader()
	if err != nil {
		return err
	}
	digest := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	accept := base64.StdEncoding.EncodeToString(digest[:])
	if status != "HTTP/1.1 101 Switching Protocols" || header.Get("Sec-WebSocket-Accept") != accept {
		return fmt.Errorf("the upgrade was answered %s %v", status, header)
	}
	request := `{"type":"connect","id":1,"payload":{"version":1}}`
	// A masked text frame, with a mask of zeros.
	frame := append([]byte{0x81, 0x80 | byte(len(request)), 0, 0, 0, 0}, request...)
	if _, err := connection.Write(frame); err != nil {
		return err
	}
	text, err := readText(reader)
	if err != nil {
		return err
	}
	var reply struct {
		Type string
		ID   int
	}
	if err := json.Unmarshal(text, &reply); err != nil || reply.Type != "ack" || reply.ID != 1 {
		return fmt.Errorf("the reply to connect: %s (%v)", text, err)
	}
	return nil
}

// readText reads a text frame of a server.
func readText(reader io.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(reader, head[:]); err != nil {
		return nil, err
	}
	if head[0] != 0x81 {
		return nil, fmt.Errorf("a frame that begins with %#x", head[0])
	}
	length := int(head[1])
	if length == 126 {
		var long uint16
		if err := binary.Read(reader, binary.BigEndian, &long); err != nil {
			return nil, err
		}
		length = int(long)
	}
	text := make([]byte, length)
	_, err := io.ReadFull(reader, text)
	return text, err
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
