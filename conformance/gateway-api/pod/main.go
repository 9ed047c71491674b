// A process in the place of a Pod: the suite's echo server, reached at the Pod's own address.
//
// That server listens on every address. Here the Pod's ports are taken at $HOST alone, and what comes there is passed on, so
// that many Pods may have the same ports on one machine.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
)

// The ports of a Pod, by the variable that tells the echo server where to listen.
var variables = map[string]string{
	"http": "HTTP_PORT", "h2c": "H2C_PORT", "https": "HTTPS_PORT", "tcp": "TCP_PORT", "tls": "TLS_PORT",
}

func main() {
	server, ports := os.Args[1], os.Args[2:]
	first := append(os.Environ(), "H2C_PORT="+free(), "HTTPS_PORT="+free())
	var second []string
	for _, one := range ports {
		kind, number, _ := strings.Cut(one, "=")
		inner := free()
		if kind == "grpc-beside" {
			second = append(os.Environ(), "GRPC_ECHO_SERVER=1", "HTTP_PORT="+inner, "HTTPS_PORT="+free())
		} else {
			first = append(first, variables[kind]+"="+inner)
		}
		for _, at := range []string{number, os.Getenv("PORT_P" + number)} { // the Pod's own port, and where its sidecar finds it
			go pass(net.JoinHostPort(os.Getenv("HOST"), at), "127.0.0.1:"+inner)
		}
	}
	if second != nil {
		go run(server, second)
	}
	run(server, first)
}

func free() string {
	one, err := net.Listen("tcp", ":0")
	if err != nil {
		panic(err)
	}
	defer one.Close()
	return fmt.Sprint(one.Addr().(*net.TCPAddr).Port)
}

func run(server string, environment []string) {
	command := exec.Command(server)
	command.Env, command.Stdout, command.Stderr = environment, os.Stdout, os.Stderr
	fmt.Println(server, command.Run())
	os.Exit(1)
}

func pass(from, to string) {
	listener, err := net.Listen("tcp", from)
	if err != nil {
		panic(err)
	}
	for {
		one, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go joined(one.(*net.TCPConn), to)
	}
}

func joined(one *net.TCPConn, to string) {
	defer one.Close()
	found, err := net.Dial("tcp", to)
	if err != nil {
		_ = one.SetLinger(0)
		return
	}
	other := found.(*net.TCPConn)
	defer other.Close()
	done := make(chan error, 2)
	copied := func(into, from *net.TCPConn) {
		_, err := io.Copy(into, from)
		_ = into.CloseWrite()
		done <- err
	}
	go copied(one, other)
	go copied(other, one)
	for range 2 {
		if <-done != nil { // a reset is passed on as one
			_ = one.SetLinger(0)
			_ = other.SetLinger(0)
			return
		}
	}
}
