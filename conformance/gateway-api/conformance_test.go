package conformance

import (
	"context"
	"flag"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	v1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/gateway-api/apis/v1alpha2"
	"sigs.k8s.io/gateway-api/apis/v1alpha3"
	xv1alpha1 "sigs.k8s.io/gateway-api/apisx/v1alpha1"
	suiteconformance "sigs.k8s.io/gateway-api/conformance"
	confv1 "sigs.k8s.io/gateway-api/conformance/apis/v1"
	"sigs.k8s.io/gateway-api/conformance/tests"
	"sigs.k8s.io/gateway-api/conformance/utils/config"
	"sigs.k8s.io/gateway-api/conformance/utils/suite"
	"sigs.k8s.io/gateway-api/pkg/consts"
	"sigs.k8s.io/gateway-api/pkg/features"
	"sigs.k8s.io/yaml"
)

var (
	folder  = flag.String("folder", "", "where the mesh runs and the results are written")
	only    = flag.String("only", "", "short names of tests, with commas; none: all")
	skip    = flag.String("skip", "", "short names of tests that are left out, with commas")
	without = flag.String("without", "", "features that are not supported, with commas")
	keep    = flag.Bool("keep", false, "leave the mesh running, for the next time")
	quick   = flag.Bool("quick", false, "short limits, to find what fails")
)

func TestConformance(t *testing.T) {
	log.SetLogger(zap.New(zap.WriteTo(os.Stderr)))
	workloads := newWorkloads(*folder, filepath.Join(*folder, "echo-basic"))
	workloads.reconcile(context.Background())
	if !*keep {
		t.Cleanup(workloads.Down)
	}

	own, err := clientcmd.BuildConfigFromFlags("", filepath.Join(*folder, ".weft", "kubeconfig"))
	require.NoError(t, err)
	own.QPS, own.Burst = 1000, 1000
	workloads.client = kubernetes.NewForConfigOrDie(own)
	api, err := newAPI(own, workloads)
	require.NoError(t, err)
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go workloads.Run(ctx)

	results := newResults()
	chosenOptions := options(t, &rest.Config{Host: server.URL, QPS: 1000, Burst: 1000})
	chosenOptions.Hook = results.Note
	found, err := suite.NewConformanceTestSuite(chosenOptions)
	require.NoError(t, err)
	chosen := tests.ConformanceTests
	if *only != "" {
		names := strings.Split(*only, ",")
		chosen = slices.DeleteFunc(slices.Clone(chosen), func(one suite.ConformanceTest) bool { return !slices.Contains(names, one.ShortName) })
	}
	left := strings.Split(*skip, ",")
	chosen = slices.DeleteFunc(slices.Clone(chosen), func(one suite.ConformanceTest) bool { return slices.Contains(left, one.ShortName) })
	t.Cleanup(func() {
		report, err := found.Report()
		require.NoError(t, err)
		text, _ := yaml.Marshal(report)
		_ = os.WriteFile(filepath.Join(*folder, "report.yaml"), text, 0o600)
		command := strings.Join(append([]string{"conformance/gateway-api/run.sh"}, told()...), " ")
		require.NoError(t, results.Write(filepath.Join(*folder, "results.md"), consts.BundleVersion, command, left))
	})
	found.Setup(t, chosen)
	require.NoError(t, found.Run(t, chosen))
}

// told are the words that the run was started with, but for the folder and the test's own.
func told() []string {
	words := []string{}
	for i, word := range os.Args {
		if i > 0 && !strings.HasPrefix(word, "-test.") && word != "-folder" && os.Args[i-1] != "-folder" {
			words = append(words, word)
		}
	}
	return words
}

func options(t *testing.T, reached *rest.Config) suite.ConformanceOptions {
	kube, err := client.New(reached, client.Options{})
	require.NoError(t, err)
	for _, install := range []func() error{
		func() error { return v1alpha3.Install(kube.Scheme()) }, func() error { return v1alpha2.Install(kube.Scheme()) },
		func() error { return xv1alpha1.Install(kube.Scheme()) }, func() error { return v1.Install(kube.Scheme()) },
		func() error { return apiextensionsv1.AddToScheme(kube.Scheme()) },
	} {
		require.NoError(t, install())
	}
	var exempt []features.FeatureName
	for one := range strings.SplitSeq(*without, ",") {
		exempt = append(exempt, features.FeatureName(one))
	}
	address := func(value string) v1.GatewaySpecAddress {
		kind := v1.IPAddressType
		return v1.GatewaySpecAddress{Type: &kind, Value: value}
	}
	limits := config.DefaultTimeoutConfig()
	limits.TestIsolation = 0
	if *quick {
		for _, one := range []*time.Duration{
			&limits.GatewayMustHaveAddress, &limits.GatewayMustHaveCondition, &limits.GatewayStatusMustHaveListeners,
			&limits.GatewayListenersMustHaveConditions, &limits.ListenerSetMustHaveCondition,
			&limits.ListenerSetListenersMustHaveConditions, &limits.GWCMustBeAccepted, &limits.HTTPRouteMustNotHaveParents,
			&limits.HTTPRouteMustHaveCondition, &limits.TLSRouteMustHaveCondition, &limits.TCPRouteMustHaveCondition,
			&limits.UDPRouteMustHaveCondition, &limits.RouteMustHaveParents, &limits.MaxTimeToConsistency,
			&limits.LatestObservedGenerationSet, &limits.DefaultTestTimeout,
		} {
			*one = 12 * time.Second
		}
		limits.NamespacesMustBeReady = 120 * time.Second
	}
	return suite.ConformanceOptions{
		Client: kube, Clientset: kubernetes.NewForConfigOrDie(reached), RestConfig: reached,
		ManifestFS: []fs.FS{&suiteconformance.Manifests},
		ConfigurableOptions: suite.ConfigurableOptions{
			GatewayClassName: "weft", EnableAllSupportedFeatures: true, ExemptFeatures: exempt, AllowCRDsMismatch: true,
			TimeoutConfig: limits, CleanupTestResources: true, DisableParallelTests: true,
			UsableNetworkAddresses:   []v1.GatewaySpecAddress{address("127.0.1.250")},
			UnusableNetworkAddresses: []v1.GatewaySpecAddress{address("192.0.2.1")},
			ConformanceProfiles: []suite.ConformanceProfileName{
				suite.GatewayHTTPConformanceProfileName, suite.GatewayTLSConformanceProfileName, suite.GatewayGRPCConformanceProfileName,
				suite.MeshHTTPConformanceProfileName, suite.MeshGRPCConformanceProfileName,
			},
			Implementation: confv1.Implementation{
				Organization: "weft", Project: "weft", URL: "https://weft.dev", Version: "dev", Contact: []string{"-"},
			},
		},
	}
}
