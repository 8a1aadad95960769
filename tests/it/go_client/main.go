// The client-go of Debian against one API server: `client KUBECONFIG [PART-OF-A-NAME…]`.
//
// A line a step: `pass NAME` or `FAIL NAME: why`. Steps are independent: each has a namespace of its own.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Anything that should happen has happened by then.
const patience = 60 * time.Second

const protobuf = "application/vnd.kubernetes.protobuf"

// What a step works with.
type cluster struct {
	ctx     context.Context
	config  *rest.Config
	json    kubernetes.Interface
	proto   kubernetes.Interface
	dynamic dynamic.Interface
	meta    metadata.Interface
	ns      string
	// How many requests the clients sent that list, and that watch.
	lists, watches atomic.Int64
}

type step struct {
	name string
	run  func(*cluster)
}

var steps = []step{
	{"typed create, get, update, patch, delete", typedLife},
	{"typed errors say what was wrong", typedErrors},
	{"protobuf and JSON are the same objects", sameInBoth},
	{"strict, warned and dry writes", strictness},
	{"lists in pages", pages},
	{"a watch resumes", watchResumes},
	{"a forgotten past is 410 Gone", forgotten},
	{"RetryWatcher and UntilWithSync", untils},
	{"shared informers, indexers, listers", informers_},
	{"a reflector by a streamed list", watchLists},
	{"a controller on a workqueue", controller},
	{"retry on conflict", conflicts},
	{"server-side apply", applies},
	{"dynamic client on a custom resource", custom},
	{"discovery and REST mapping", discoveries},
	{"OpenAPI documents", openapis},
	{"scale subresource", scales},
	{"evictions", evictions},
	{"tokens and who they are", tokens},
	{"leader election", elections},
	{"event recorders", recorders},
	{"metadata client", metadatas},
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: client KUBECONFIG [PART-OF-A-NAME…]")
		os.Exit(2)
	}
	failed, ran := 0, 0
	for _, step := range steps {
		if !chosen(step.name, os.Args[2:]) {
			continue
		}
		ran++
		begun := time.Now()
		if why := attempt(step, os.Args[1]); why != "" {
			failed++
			fmt.Printf("FAIL %s: %s\n", step.name, strings.ReplaceAll(why, "\n", " "))
		} else {
			fmt.Printf("pass %s\n", step.name)
		}
		if os.Getenv("TIMES") != "" {
			fmt.Printf("     %v\n", time.Since(begun))
		}
	}
	fmt.Printf("%d of %d passed\n", ran-failed, ran)
	if failed > 0 {
		os.Exit(1)
	}
}

func chosen(name string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(name, part) {
			return true
		}
	}
	return len(parts) == 0
}

// Runs one step in a namespace of its own; what it panics with is why it failed.
func attempt(step step, kubeconfig string) (why string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	defer func() {
		if cause := recover(); cause != nil {
			why = fmt.Sprintf("%v %s", cause, place(string(debug.Stack())))
		}
	}()
	c := connect(ctx, kubeconfig)
	ns := must(c.json.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "client-go-"},
	}, metav1.CreateOptions{}))
	c.ns = ns.Name
	defer func() { _ = c.json.CoreV1().Namespaces().Delete(ctx, c.ns, metav1.DeleteOptions{}) }()
	// What a namespace is given comes by itself, and would be counted when it comes late.
	c.eventually("the namespace is furnished", func() bool {
		_, account := c.json.CoreV1().ServiceAccounts(c.ns).Get(ctx, "default", metav1.GetOptions{})
		_, authority := c.json.CoreV1().ConfigMaps(c.ns).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
		return account == nil && authority == nil
	})
	step.run(c)
	return ""
}

// The lines of the stack that are ours.
func place(stack string) string {
	var ours []string
	for _, line := range strings.Split(stack, "\n") {
		if strings.Contains(line, "go_client/") && !strings.Contains(line, "main.go") {
			ours = append(ours, strings.TrimSpace(line[strings.LastIndex(line, "/")+1:]))
		}
	}
	return "[" + strings.Join(ours, " < ") + "]"
}

func connect(ctx context.Context, kubeconfig string) *cluster {
	c := &cluster{ctx: ctx}
	c.config = must(clientcmd.BuildConfigFromFlags("", kubeconfig))
	// The server has bounds of its own.
	c.config.QPS = -1
	c.config.Wrap(func(inner http.RoundTripper) http.RoundTripper { return &counting{inner, c} })
	proto := rest.CopyConfig(c.config)
	proto.ContentType = protobuf
	proto.AcceptContentTypes = protobuf + ",application/json"
	c.json = must(kubernetes.NewForConfig(c.config))
	c.proto = must(kubernetes.NewForConfig(proto))
	c.dynamic = must(dynamic.NewForConfig(c.config))
	c.meta = must(metadata.NewForConfig(c.config))
	return c
}

// Counts what goes through.
type counting struct {
	inner http.RoundTripper
	c     *cluster
}

func (t *counting) RoundTrip(request *http.Request) (*http.Response, error) {
	query := request.URL.Query()
	if query.Get("watch") != "" {
		t.c.watches.Add(1)
	} else if request.Method == http.MethodGet && query.Has("resourceVersion") {
		t.c.lists.Add(1)
	}
	return t.inner.RoundTrip(request)
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// Panics with the text unless `is`.
func expect(is bool, format string, args ...any) {
	if !is {
		panic(fmt.Sprintf(format, args...))
	}
}

// Waits until it is so.
func (c *cluster) eventually(what string, is func() bool) {
	err := wait.PollUntilContextTimeout(c.ctx, 20*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		return is(), nil
	})
	expect(err == nil, "never happened: %s", what)
}

func configMap(name string, data map[string]string, labels map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Data: data}
}
