package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"
)

// Workloads is what a cluster's controllers would be: it runs the suite's Deployments as services of a weft.yaml, and a
// gateway workload for each Gateway, and tells `weft up` whenever these change.
type Workloads struct {
	folder string
	echo   string
	client kubernetes.Interface

	mutex       sync.Mutex
	deployments map[string]*appsv1.Deployment
	gateways    map[string][2]string
	hosts       map[string]int
	datagrams   map[string]int
	proxies     map[string]string
	services    object
	written     string
	wake        chan struct{}
}

func newWorkloads(folder, echo string) *Workloads {
	return &Workloads{
		folder: folder, echo: echo,
		deployments: map[string]*appsv1.Deployment{}, gateways: map[string][2]string{}, hosts: map[string]int{},
		datagrams: map[string]int{}, services: object{}, proxies: map[string]string{}, wake: make(chan struct{}, 1),
	}
}

func key(namespace, name string) string { return namespace + "/" + name }

// address is the next of a range, and always the same for a place; the suite's static addresses are one Gateway's.
func (w *Workloads) address(within, place string) string {
	if strings.HasSuffix(place, "/gateway-static-addresses") {
		return within + ".250"
	}
	if _, known := w.hosts[place]; !known {
		w.hosts[place] = len(w.hosts) + 1
	}
	return fmt.Sprintf("%s.%d", within, w.hosts[place])
}

func (w *Workloads) ring() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Put runs a Deployment.
func (w *Workloads) Put(of *appsv1.Deployment) {
	w.mutex.Lock()
	w.deployments[key(of.Namespace, of.Name)] = of
	w.mutex.Unlock()
	w.ring()
}

// Get is a Deployment that was put, or nil.
func (w *Workloads) Get(namespace, name string) *appsv1.Deployment {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.deployments[key(namespace, name)]
}

// Remove forgets a Deployment; its processes go on until the end, which costs less than ending each.
func (w *Workloads) Remove(namespace, name string) {
	w.mutex.Lock()
	delete(w.deployments, key(namespace, name))
	w.mutex.Unlock()
}

// PutGateway runs a workload for a Gateway at an address of its own.
func (w *Workloads) PutGateway(namespace, name string) {
	w.mutex.Lock()
	place := key(namespace, name)
	w.gateways[place] = [2]string{namespace, name}
	w.mutex.Unlock()
	w.ring()
}

// Run keeps the mesh as the file says until the context ends.
func (w *Workloads) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		}
		time.Sleep(300 * time.Millisecond)
		select {
		case <-w.wake:
		default:
		}
		if again := w.reconcile(ctx); again {
			time.AfterFunc(time.Second, w.ring)
		}
	}
}

type object = map[string]any

// reconcile writes the weft.yaml; true: something is still missing that a Deployment needs.
func (w *Workloads) reconcile(ctx context.Context) bool {
	w.mutex.Lock()
	services, incomplete := object{}, false
	for _, one := range w.deployments {
		found, err := w.service(ctx, one)
		if err != nil {
			incomplete = true
			continue
		}
		services[one.Name+"."+strings.TrimPrefix(one.Namespace, "gateway-conformance-")] = found
	}
	for place, one := range w.gateways {
		services["gateway-"+strings.ReplaceAll(w.address("g", place), ".", "-")] = object{"x-weft": object{
			"gateway": true, "namespace": one[0], "serviceAccount": "gateway",
			"gatewayHost": w.address("127.0.1", place),
			"labels":      object{"gateway.networking.k8s.io/gateway-name": one[1]},
		}}
	}
	w.mutex.Unlock()
	for name, one := range services {
		w.services[name] = one
	}
	services = w.services
	services["idle"] = object{"command": "sleep 1000000"}
	text, _ := yaml.Marshal(object{"x-weft": object{"name": "gateway-api-conformance"}, "services": services})
	if string(text) == w.written {
		return incomplete
	}
	if err := os.WriteFile(filepath.Join(w.folder, "weft.yaml"), text, 0o600); err != nil {
		panic(err)
	}
	began := time.Now()
	out, err := w.weft("up", "--detach")
	fmt.Printf("weft up: %d services, %s\n", len(services), time.Since(began).Round(time.Millisecond))
	if err != nil {
		fmt.Printf("weft up: %v\n%s\n", err, out)
		return true
	}
	w.written = string(text)
	return incomplete
}

func (w *Workloads) weft(arguments ...string) (string, error) {
	command := exec.Command("weft", arguments...)
	command.Dir = w.folder
	out, err := command.CombinedOutput()
	return string(out), err
}

// Down ends the mesh.
func (w *Workloads) Down() { _, _ = w.weft("down") }

func (w *Workloads) service(ctx context.Context, of *appsv1.Deployment) (object, error) {
	container := of.Spec.Template.Spec.Containers[0]
	labels := object{}
	for name, value := range renamed(of.Spec.Template.Labels) {
		labels[name] = value
	}
	folder, err := w.volumes(ctx, of)
	if err != nil {
		return nil, err
	}
	environment := map[string]string{"NAMESPACE": of.Namespace, "POD_NAME": of.Name + "-weft-0"}
	for _, one := range container.Env {
		if one.ValueFrom == nil {
			environment[one.Name] = mounted(one.Value, folder, container)
		}
	}
	command, ports := w.command(of, container, environment)
	return object{
		"command": command, "environment": environment,
		"x-weft": object{"service": "pods-" + of.Name, "host": w.address("127.0.2", key(of.Namespace, of.Name)), "namespace": of.Namespace, "labels": labels, "ports": ports},
	}, nil
}

// A port of a Pod: what its process is told, its number, and what is spoken.
type port struct {
	kind     string
	number   int
	protocol string
}

// command is what runs in the place of a container, and its ports.
func (w *Workloads) command(of *appsv1.Deployment, container corev1.Container, environment map[string]string) (string, []object) {
	secure := environment["TLS_SERVER_CERT"] != ""
	ports := []port{{"http", 3000, "http"}, {"h2c", 3001, "http2"}}
	switch {
	case strings.Contains(container.Image, "coredns"):
		return w.datagram(of, environment, 53, w.echo+"-dns"), nil
	case environment["UDP_ECHO_SERVER"] != "":
		return w.datagram(of, environment, 8080, w.echo), nil
	case strings.Contains(container.Image, "echo-advanced"):
		ports = []port{{"http", 8080, "http"}, {"grpc-beside", 7070, "grpc"}}
	case environment["TCP_ECHO_SERVER"] != "":
		ports = []port{{"tcp", 3000, "tcp"}}
		if secure {
			ports = append(ports, port{"tls", 8443, "tls"})
		}
	case environment["GRPC_ECHO_SERVER"] != "":
		ports = []port{{"http", 3000, "grpc"}}
	case secure:
		ports = append(ports, port{"https", 8443, "tls"})
	}
	words, said := []string{w.echo + "-pod", w.echo}, []object{}
	for _, one := range ports {
		words = append(words, fmt.Sprintf("%s=%d", one.kind, one.number))
		said = append(said, object{
			"name": fmt.Sprintf("p%d", one.number), "port": one.number, "protocol": one.protocol,
		})
	}
	return strings.Join(words, " "), said
}

// datagram is a server of datagrams, which has no sidecar: a WorkloadEntry tells where it is.
func (w *Workloads) datagram(of *appsv1.Deployment, environment map[string]string, number int, command string) string {
	place := key(of.Namespace, of.Name)
	if _, known := w.datagrams[place]; !known {
		w.datagrams[place] = 19000 + len(w.datagrams)
	}
	own := w.datagrams[place]
	environment["UDP_PORT"] = fmt.Sprint(own)
	said, _ := json.Marshal(map[string][]int{"udp": {number}})
	entry := object{
		"apiVersion": "networking.istio.io/v1", "kind": "WorkloadEntry",
		"metadata": object{
			"name": of.Name, "namespace": of.Namespace, "labels": renamed(of.Spec.Template.Labels),
			"annotations": object{"mesh.weft.dev/ports": string(said)},
		},
		"spec": object{"address": "127.0.0.1", "ports": object{"udp": own}, "labels": renamed(of.Spec.Template.Labels)},
	}
	body, _ := json.Marshal(entry)
	path := "/apis/networking.istio.io/v1/namespaces/" + of.Namespace + "/workloadentries"
	err := w.client.CoreV1().RESTClient().Post().AbsPath(path).Body(body).SetHeader("Content-Type", "application/json").Do(context.Background()).Error()
	if err != nil && !apierrors.IsAlreadyExists(err) {
		fmt.Println("WorkloadEntry:", err)
	}
	return command
}

// volumes writes the files of a Deployment's Secrets and ConfigMaps; an error: one is missing.
func (w *Workloads) volumes(ctx context.Context, of *appsv1.Deployment) (string, error) {
	folder := filepath.Join(w.folder, "volumes", of.Namespace, of.Name)
	for _, one := range of.Spec.Template.Spec.Volumes {
		files, items, err := w.content(ctx, of.Namespace, one)
		if err != nil {
			return "", err
		}
		at := filepath.Join(folder, one.Name)
		if err := os.MkdirAll(at, 0o700); err != nil {
			return "", err
		}
		for _, item := range items {
			if err := os.WriteFile(filepath.Join(at, item.Path), files[item.Key], 0o600); err != nil {
				return "", err
			}
		}
	}
	return folder, nil
}

func (w *Workloads) content(ctx context.Context, namespace string, of corev1.Volume) (map[string][]byte, []corev1.KeyToPath, error) {
	if of.Secret != nil {
		found, err := w.client.CoreV1().Secrets(namespace).Get(ctx, of.Secret.SecretName, metav1.GetOptions{})
		if err != nil {
			return nil, nil, err
		}
		return found.Data, of.Secret.Items, nil
	}
	if of.ConfigMap != nil && len(of.ConfigMap.Items) > 0 {
		found, err := w.client.CoreV1().ConfigMaps(namespace).Get(ctx, of.ConfigMap.Name, metav1.GetOptions{})
		if err != nil {
			return nil, nil, err
		}
		files := map[string][]byte{}
		for name, text := range found.Data {
			files[name] = []byte(text)
		}
		return files, of.ConfigMap.Items, nil
	}
	return nil, nil, nil
}

// appLabel stands for the suite's label `app`: that one is weft's own to set, to the name of the service in weft.yaml.
const appLabel = "app.kubernetes.io/name"

func renamed(of map[string]string) map[string]string {
	found := map[string]string{}
	for name, value := range of {
		if name == "app" {
			name = appLabel
		}
		found[name] = value
	}
	return found
}

func mounted(value, folder string, container corev1.Container) string {
	for _, one := range container.VolumeMounts {
		if rest, found := strings.CutPrefix(value, one.MountPath+"/"); found {
			return filepath.Join(folder, one.Name, rest)
		}
	}
	return value
}

// Instance is one process that `weft ps` shows.
type Instance struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	Host      string `json:"host"`
	HTTPProxy int    `json:"httpProxy"`
}

// Proxy is where the sidecar of an instance takes calls.
func (w *Workloads) Proxy(namespace, name string) string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if found := w.proxies[key(namespace, name)]; found != "" {
		return found
	}
	for _, one := range w.instances() {
		w.proxies[key(one.Namespace, one.Name)] = net.JoinHostPort(one.Host, strconv.Itoa(one.HTTPProxy))
	}
	return w.proxies[key(namespace, name)]
}

func (w *Workloads) instances() []Instance {
	command := exec.Command("weft", "ps", "-o", "json")
	command.Dir = w.folder
	out, err := command.Output()
	if err != nil {
		return nil
	}
	var found []Instance
	if json.Unmarshal(out, &found) != nil {
		var wrapped struct{ Instances []Instance }
		_ = json.Unmarshal(out, &wrapped)
		found = wrapped.Instances
	}
	return found
}

// Log is what an instance wrote.
func (w *Workloads) Log(namespace, name string) []byte {
	text, _ := os.ReadFile(filepath.Join(w.folder, ".weft", "logs", "app."+namespace+"."+name+".log"))
	return text
}
