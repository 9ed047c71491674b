package conformance

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/gateway-api/conformance/utils/suite"
	"sigs.k8s.io/gateway-api/pkg/features"
)

// Results are what came of each test, by its short name.
type Results struct {
	mutex sync.Mutex
	came  map[string]string
	about map[string]suite.ConformanceTest
}

func newResults() *Results {
	return &Results{came: map[string]string{}, about: map[string]suite.ConformanceTest{}}
}

// Note is told of a test that is over.
func (r *Results) Note(t *testing.T, test suite.ConformanceTest, _ *suite.ConformanceTestSuite) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.about[test.ShortName] = test
	switch {
	case t.Failed():
		r.came[test.ShortName] = "failed"
	case t.Skipped():
		r.came[test.ShortName] = "not supported"
	default:
		r.came[test.ShortName] = "passed"
	}
}

// Write makes a page of them. `left` are the tests that were left out.
func (r *Results) Write(path, version, command string, left []string) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, name := range left {
		if name != "" {
			r.came[name] = "left out"
		}
	}
	var text strings.Builder
	fmt.Fprintf(&text, "# Conformance with the Gateway API\n\nWhat the Gateway API's own conformance suite (%s) says of weft, written by a run of it:\n\n", version)
	fmt.Fprintf(&text, "```\n%s\n```\n\n", command)
	names := map[string][]string{}
	for name, came := range r.came {
		names[came] = append(names[came], name)
	}
	fmt.Fprintf(&text, "%d tests passed, %d failed, %d need a feature that weft does not have.\n", len(names["passed"]), len(names["failed"]), len(names["not supported"]))
	text.WriteString("How Pods stand for processes there, and how to run it: [conformance/gateway-api](../conformance/gateway-api/README.md).\n")
	for _, came := range []string{"failed", "left out", "not supported", "passed"} {
		if len(names[came]) == 0 {
			continue
		}
		fmt.Fprintf(&text, "\n## %s\n\n", strings.ToUpper(came[:1])+came[1:])
		slices.Sort(names[came])
		for _, name := range names[came] {
			fmt.Fprintf(&text, "- %s%s\n", name, needs(r.about[name].Features))
		}
	}
	return os.WriteFile(path, []byte(text.String()), 0o600)
}

func needs(of []features.FeatureName) string {
	if len(of) == 0 {
		return ""
	}
	words := make([]string, len(of))
	for i, one := range of {
		words[i] = string(one)
	}
	return " (" + strings.Join(words, ", ") + ")"
}
