package conformance

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// API is weft's API with what weft does not have and the suite asks for: Deployments (run as weft services), Pods (the
// workloads that are registered), and an empty list of CustomResourceDefinitions. Everything else passes as it is.
type API struct {
	weft      http.Handler
	transport http.RoundTripper
	base      *url.URL
	workloads *Workloads
}

func newAPI(config *rest.Config, workloads *Workloads) (*API, error) {
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(config.Host)
	if err != nil {
		return nil, err
	}
	proxy := httputil.NewSingleHostReverseProxy(base)
	proxy.Transport = transport
	return &API{weft: proxy, transport: transport, base: base, workloads: workloads}, nil
}

var (
	deploymentPath = regexp.MustCompile(`^/apis/apps/v1/namespaces/([^/]+)/deployments(?:/([^/]+))?$`)
	podPath        = regexp.MustCompile(`^/api/v1/namespaces/([^/]+)/pods(?:/([^/]+)(?:/(log|exec))?)?$`)
	servicePath    = regexp.MustCompile(`^/api/v1/namespaces/[^/]+/services(?:/[^/]+)?$`)
	gatewayPath    = regexp.MustCompile(`^/apis/gateway\.networking\.k8s\.io/[^/]+/namespaces/([^/]+)/gateways(?:/([^/]+))?$`)
)

func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if path == "/api" {
		r.Header.Set("Accept", "application/json")
		a.weft.ServeHTTP(w, r)
	} else if path == "/apis" {
		a.groups(w)
	} else if path == "/apis/apps/v1" {
		answer(w, 200, appsResources)
	} else if strings.HasPrefix(path, "/apis/apiextensions.k8s.io/v1") {
		a.crds(w, path)
	} else if found := deploymentPath.FindStringSubmatch(path); found != nil {
		a.deployments(w, r, found[1], found[2])
	} else if found := podPath.FindStringSubmatch(path); found != nil {
		a.pods(w, r, found[1], found[2], found[3])
	} else if found := gatewayPath.FindStringSubmatch(path); found != nil {
		a.gateways(w, r, found[1])
	} else {
		if servicePath.MatchString(path) && (r.Method == "POST" || r.Method == "PUT") {
			rewritten(r, func(said object) {
				if selector, found, _ := unstructured.NestedStringMap(said, "spec", "selector"); found {
					_ = unstructured.SetNestedStringMap(said, renamed(selector), "spec", "selector")
				}
			})
		}
		a.weft.ServeHTTP(w, r)
	}
}

func rewritten(r *http.Request, change func(object)) {
	body, _ := io.ReadAll(r.Body)
	var said object
	if json.Unmarshal(body, &said) == nil {
		change(said)
		body, _ = json.Marshal(said)
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
}

var appsResources = metav1.APIResourceList{
	TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "apps/v1",
	APIResources: []metav1.APIResource{{
		Name: "deployments", SingularName: "deployment", Namespaced: true, Kind: "Deployment",
		Verbs: []string{"get", "create", "update", "delete"},
	}},
}

// groups are weft's, and that of CustomResourceDefinitions.
func (a *API) groups(w http.ResponseWriter) {
	response, err := (&http.Client{Transport: a.transport, Timeout: 10 * time.Second}).Get(a.base.JoinPath("/apis").String())
	if err != nil {
		http.Error(w, err.Error(), 502)
		return
	}
	defer response.Body.Close()
	var found metav1.APIGroupList
	_ = json.NewDecoder(response.Body).Decode(&found)
	version := metav1.GroupVersionForDiscovery{GroupVersion: "apiextensions.k8s.io/v1", Version: "v1"}
	found.Groups = append(found.Groups, metav1.APIGroup{
		Name: "apiextensions.k8s.io", Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version,
	})
	answer(w, 200, found)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func missing(w http.ResponseWriter, what string) {
	answer(w, 404, metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Code: 404,
		Reason: metav1.StatusReasonNotFound, Message: what + " is not there",
	})
}

func (a *API) crds(w http.ResponseWriter, path string) {
	if path == "/apis/apiextensions.k8s.io/v1" {
		answer(w, 200, metav1.APIResourceList{
			TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "apiextensions.k8s.io/v1",
			APIResources: []metav1.APIResource{{Name: "customresourcedefinitions", SingularName: "customresourcedefinition", Kind: "CustomResourceDefinition", Verbs: []string{"list"}}},
		})
		return
	}
	answer(w, 200, object{"kind": "CustomResourceDefinitionList", "apiVersion": "apiextensions.k8s.io/v1", "metadata": object{}, "items": []any{}})
}

func (a *API) deployments(w http.ResponseWriter, r *http.Request, namespace, name string) {
	switch r.Method {
	case "POST", "PUT":
		var said appsv1.Deployment
		if err := json.NewDecoder(r.Body).Decode(&said); err != nil {
			http.Error(w, err.Error(), 400)
			return
		}
		said.Namespace, said.ResourceVersion, said.UID = namespace, "1", types.UID("deployment-"+said.Name)
		a.workloads.Put(&said)
		answer(w, map[string]int{"POST": 201, "PUT": 200}[r.Method], said)
	case "GET":
		if found := a.workloads.Get(namespace, name); found != nil {
			answer(w, 200, found)
		} else {
			missing(w, "deployment "+name)
		}
	case "DELETE":
		a.workloads.Remove(namespace, name)
		answer(w, 200, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Success"})
	}
}

// gateways pass; a workload comes with each.
func (a *API) gateways(w http.ResponseWriter, r *http.Request, namespace string) {
	if r.Method == "POST" || r.Method == "PUT" {
		rewritten(r, func(said object) {
			a.workloads.PutGateway(namespace, (&unstructured.Unstructured{Object: said}).GetName())
		})
	}
	a.weft.ServeHTTP(w, r)
}

// pods are the workloads that agents registered.
func (a *API) pods(w http.ResponseWriter, r *http.Request, namespace, name, sub string) {
	if sub == "log" {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write(a.workloads.Log(namespace, name))
		return
	}
	if sub == "exec" {
		a.exec(w, r, namespace, name)
		return
	}
	selector, err := labels.Parse(r.URL.Query().Get("labelSelector"))
	if err != nil {
		http.Error(w, err.Error(), 400)
		return
	}
	found := corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}, Items: []corev1.Pod{}}
	for _, one := range a.registered(namespace) {
		if selector.Matches(labels.Set(one.Labels)) {
			found.Items = append(found.Items, one)
		}
	}
	answer(w, 200, found)
}

func (a *API) registered(namespace string) []corev1.Pod {
	target := a.base.JoinPath("/apis/networking.istio.io/v1/namespaces", namespace, "workloadentries")
	response, err := (&http.Client{Transport: a.transport, Timeout: 10 * time.Second}).Get(target.String())
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	var list unstructured.UnstructuredList
	body, _ := io.ReadAll(response.Body)
	if list.UnmarshalJSON(body) != nil {
		return nil
	}
	pods := []corev1.Pod{}
	for _, one := range list.Items {
		if _, gateway := one.GetLabels()["gateway.networking.k8s.io/gateway-name"]; !gateway {
			pods = append(pods, pod(one))
		}
	}
	return pods
}

func pod(of unstructured.Unstructured) corev1.Pod {
	ready := corev1.ConditionTrue
	conditions, _, _ := unstructured.NestedSlice(of.Object, "status", "conditions")
	for _, one := range conditions {
		if said, ok := one.(map[string]any); ok && said["type"] == "Healthy" && said["status"] == "False" {
			ready = corev1.ConditionFalse
		}
	}
	named := of.GetLabels()
	if app := named[appLabel]; app != "" {
		named["app"] = app
	}
	address, _, _ := unstructured.NestedString(of.Object, "spec", "address")
	return corev1.Pod{
		TypeMeta:   metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Name: of.GetName(), Namespace: of.GetNamespace(), Labels: named, UID: of.GetUID()},
		Spec:       corev1.PodSpec{NodeName: of.GetLabels()["mesh.weft.dev/node"]},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: address, PodIPs: []corev1.PodIP{{IP: address}},
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}},
		},
	}
}
