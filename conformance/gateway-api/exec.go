package conformance

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
	pb "sigs.k8s.io/gateway-api/conformance/echo-basic/grpcechoserver"
)

// exec is `kubectl exec POD -- client URL ...`: the call is made through the sidecar of the workload that stands for the Pod.
func (a *API) exec(w http.ResponseWriter, r *http.Request, namespace, name string) {
	proxy := a.workloads.Proxy(namespace, name)
	output := called(r.URL.Query()["command"], proxy)
	if _, err := httpstream.Handshake(r, w, []string{"v4.channel.k8s.io"}); err != nil {
		http.Error(w, err.Error(), 400)
		return
	}
	streams := make(chan httpstream.Stream, 8)
	connection := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(one httpstream.Stream, _ <-chan struct{}) error {
		streams <- one
		return nil
	})
	if connection == nil {
		return
	}
	defer connection.Close()
	byType := map[string]httpstream.Stream{}
	for range 3 {
		select {
		case one := <-streams:
			byType[one.Headers().Get(corev1.StreamType)] = one
		case <-time.After(5 * time.Second):
			return
		}
	}
	_, _ = io.WriteString(byType[corev1.StreamTypeStdout], output)
	_ = byType[corev1.StreamTypeStdout].Close()
	_ = byType[corev1.StreamTypeStderr].Close()
	_ = json.NewEncoder(byType[corev1.StreamTypeError]).Encode(metav1.Status{Status: metav1.StatusSuccess})
	_ = byType[corev1.StreamTypeError].Close()
	select {
	case <-connection.CloseChan():
	case <-time.After(time.Second):
	}
}

// called makes the calls that a command line asks for, and says what came of them in the lines that the suite reads.
func called(command []string, proxy string) string {
	target, method, count, headers := "", "GET", 1, http.Header{}
	for i := 1; i < len(command); i++ {
		switch word := command[i]; {
		case strings.HasPrefix(word, "--method="):
			method = strings.TrimPrefix(word, "--method=")
		case strings.HasPrefix(word, "--count="):
			count, _ = strconv.Atoi(strings.TrimPrefix(word, "--count="))
		case word == "-H" && i+1 < len(command):
			i++
			name, value, _ := strings.Cut(command[i], ":")
			headers.Add(name, value)
		default:
			target = word
		}
	}
	at, err := url.Parse(target)
	if err != nil {
		return err.Error()
	}
	var out strings.Builder
	one := func() string { return httpCall(at, method, headers, proxy) }
	if at.Scheme == "grpc" {
		connection, err := grpc.NewClient("passthrough:///"+at.Host, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) { return tunnel(ctx, proxy, address) }))
		if err != nil {
			return err.Error()
		}
		defer connection.Close()
		one = func() string { return grpcCall(connection, headers) }
	}
	for range count {
		out.WriteString(one() + "\n\n")
	}
	return out.String()
}

func tunnel(ctx context.Context, proxy, address string) (net.Conn, error) {
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", proxy)
	if err != nil {
		return nil, err
	}
	_, _ = fmt.Fprintf(connection, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", address, address)
	response, err := http.ReadResponse(bufio.NewReader(connection), &http.Request{Method: "CONNECT"})
	if err != nil || response.StatusCode != 200 {
		connection.Close()
		return nil, fmt.Errorf("CONNECT %s: %v %v", address, response, err)
	}
	return connection, nil
}

func grpcCall(connection *grpc.ClientConn, headers http.Header) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for name, values := range headers {
		ctx = metadata.AppendToOutgoingContext(ctx, name, strings.Join(values, ","))
	}
	found, err := pb.NewGrpcEchoClient(connection).Echo(ctx, &pb.EchoRequest{})
	if err != nil {
		return "StatusCode=503\nError=" + err.Error()
	}
	return "StatusCode=200\nHostname=" + found.GetAssertions().GetContext().GetPod()
}

func httpCall(at *url.URL, method string, headers http.Header, proxy string) string {
	transport := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: proxy}), DisableKeepAlives: true}
	caller := http.Client{
		Transport: transport, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	request, err := http.NewRequest(method, at.String(), nil)
	if err != nil {
		return err.Error()
	}
	for name, values := range headers {
		if strings.EqualFold(name, "host") { // a proxy is asked for the address that is called, whatever stands in Host
			continue
		}
		request.Header[http.CanonicalHeaderKey(name)] = values
	}
	response, err := caller.Do(request)
	if err != nil {
		return "Error=" + err.Error()
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	lines := []string{fmt.Sprintf("StatusCode=%d", response.StatusCode), "Url=" + at.String()}
	for name, values := range response.Header {
		for _, value := range values {
			lines = append(lines, "ResponseHeader="+name+":"+value)
		}
	}
	var said struct {
		Host, Method, Proto, Pod string
		Headers                  map[string][]string
	}
	if json.Unmarshal(body, &said) == nil {
		lines = append(lines, "Host="+said.Host, "Hostname="+said.Pod, "Method="+said.Method, "Proto="+said.Proto)
		for name, values := range said.Headers {
			for _, value := range values {
				lines = append(lines, "RequestHeader="+name+":"+value)
			}
		}
	}
	return strings.Join(lines, "\n")
}
