// Echo, relay and HTTP in the plain style of the language.
//
//	go-server echo ADDRESS
//	go-server relay ADDRESS BACKEND
//	go-server http ADDRESS BODY
package main

import (
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"
)

func echo(c net.Conn) {
	defer c.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := c.Read(buffer)
		if n > 0 {
			if _, err := c.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// One direction; its end is passed on.
func pump(to, from *net.TCPConn, done chan<- struct{}) {
	if _, err := io.Copy(to, from); err != nil {
		to.Close()
		from.Close()
	}
	to.CloseWrite()
	done <- struct{}{}
}

func relay(c net.Conn, backend string) {
	defer c.Close()
	s, err := net.Dial("tcp", backend)
	if err != nil {
		log.Print(err)
		return
	}
	defer s.Close()
	done := make(chan struct{}, 1)
	go pump(s.(*net.TCPConn), c.(*net.TCPConn), done)
	back := make(chan struct{}, 1)
	pump(c.(*net.TCPConn), s.(*net.TCPConn), back)
	<-done
}

func serve(address string, handle func(net.Conn)) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	for {
		c, err := listener.Accept()
		if err != nil {
			log.Print(err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		go handle(c)
	}
}

func main() {
	if len(os.Args) < 3 {
		log.Fatal("usage: go-server echo|relay|http ADDRESS [BACKEND|BODY]")
	}
	switch os.Args[1] {
	case "echo":
		serve(os.Args[2], echo)
	case "relay":
		serve(os.Args[2], func(c net.Conn) { relay(c, os.Args[3]) })
	case "http":
		body := []byte(os.Args[3] + "\n")
		http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Write(body)
		})
		log.Fatal(http.ListenAndServe(os.Args[2], nil))
	}
}
