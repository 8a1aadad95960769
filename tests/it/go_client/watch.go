// Lists in pages, and watches: resumed, too old, retried.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/pager"
	toolswatch "k8s.io/client-go/tools/watch"
)

func pages(c *cluster) {
	const many = 25
	for i := range many {
		must(c.proto.CoreV1().ConfigMaps(c.ns).Create(c.ctx, configMap(fmt.Sprintf("m%02d", i), nil, map[string]string{"page": "d"}), metav1.CreateOptions{}))
	}
	for _, client := range []kubernetes.Interface{c.json, c.proto} {
		maps := client.CoreV1().ConfigMaps(c.ns)
		seen := map[string]bool{}
		options := metav1.ListOptions{Limit: 7}
		var version string
		for {
			page := must(maps.List(c.ctx, options))
			expect(version == "" || version == page.ResourceVersion, "pages are of %s and %s", version, page.ResourceVersion)
			version = page.ResourceVersion
			for _, item := range page.Items {
				expect(!seen[item.Name], "%s twice", item.Name)
				seen[item.Name] = true
			}
			if options.Continue = page.Continue; page.Continue == "" {
				break
			}
			left := page.RemainingItemCount
			expect(left != nil && *left > 0, "nothing remains, but there are more")
		}
		expect(len(seen) >= many, "only %d", len(seen))

		count := 0
		all := pager.New(pager.SimplePageFunc(func(options metav1.ListOptions) (runtime.Object, error) {
			return maps.List(c.ctx, options)
		}))
		all.PageSize = 4
		check(all.EachListItem(c.ctx, metav1.ListOptions{LabelSelector: "page=d"}, func(object runtime.Object) error {
			count++
			_ = object.(*corev1.ConfigMap)
			return nil
		}))
		expect(count == many, "%d of %d", count, many)
		_, err := maps.List(c.ctx, metav1.ListOptions{Limit: 3, Continue: "bad"})
		expect(errors.IsBadRequest(err), "%v", err)
	}
}

func next(w watch.Interface, c *cluster) watch.Event {
	select {
	case event, open := <-w.ResultChan():
		expect(open, "the watch ended")
		return event
	case <-c.ctx.Done():
		panic("no event came")
	}
}

func nextMap(w watch.Interface, c *cluster, kind watch.EventType, name string) *corev1.ConfigMap {
	event := next(w, c)
	object, is := event.Object.(*corev1.ConfigMap)
	expect(is && event.Type == kind && object.Name == name, "not %s of %s but %v", kind, name, event)
	return object
}

func watchResumes(c *cluster) {
	for i, client := range []kubernetes.Interface{c.json, c.proto} {
		maps := client.CoreV1().ConfigMaps(c.ns)
		name, label := fmt.Sprint("w", i), map[string]string{"step": "watch"}
		from := must(maps.List(c.ctx, metav1.ListOptions{}))
		options := metav1.ListOptions{ResourceVersion: from.ResourceVersion, LabelSelector: "step=watch", AllowWatchBookmarks: true}
		w := must(maps.Watch(c.ctx, options))
		must(maps.Create(c.ctx, configMap(name, nil, label), metav1.CreateOptions{}))
		made := nextMap(w, c, watch.Added, name)
		must(maps.Patch(c.ctx, name, types.MergePatchType, []byte(`{"data":{"a":"1"}}`), metav1.PatchOptions{}))
		must(maps.Patch(c.ctx, name, types.MergePatchType, []byte(`{"metadata":{"labels":null}}`), metav1.PatchOptions{}))
		nextMap(w, c, watch.Modified, name)
		nextMap(w, c, watch.Deleted, name)
		w.Stop()
		// The same past again, from within it, now of all labels.
		check(maps.Delete(c.ctx, name, metav1.DeleteOptions{}))
		w = must(maps.Watch(c.ctx, metav1.ListOptions{ResourceVersion: made.ResourceVersion, FieldSelector: "metadata.name=" + name}))
		changed := nextMap(w, c, watch.Modified, name)
		expect(changed.Data["a"] == "1" && changed.Labels["step"] == "watch", "%v", changed)
		bare := nextMap(w, c, watch.Modified, name)
		gone := nextMap(w, c, watch.Deleted, name)
		expect(gone.ResourceVersion != bare.ResourceVersion, "a deletion is of a version of its own")
		w.Stop()
		// What is there comes first when no version is named.
		must(maps.Create(c.ctx, configMap(name, nil, label), metav1.CreateOptions{}))
		w = must(maps.Watch(c.ctx, metav1.ListOptions{LabelSelector: "step=watch"}))
		nextMap(w, c, watch.Added, name)
		w.Stop()
		check(maps.Delete(c.ctx, name, metav1.DeleteOptions{}))
		// A watch ends when its time is over.
		second := int64(1)
		w = must(maps.Watch(c.ctx, metav1.ListOptions{TimeoutSeconds: &second, LabelSelector: "step=none"}))
		for range w.ResultChan() {
		}
	}
}

// `FORGET` is a command after which the server knows the past no more.
func forgotten(c *cluster) {
	forget := strings.Fields(os.Getenv("FORGET"))
	expect(len(forget) > 0, "FORGET names no command")
	maps := c.proto.CoreV1().ConfigMaps(c.ns)
	for i := range 3 {
		must(maps.Create(c.ctx, configMap(fmt.Sprint("f", i), nil, map[string]string{"step": "forgotten"}), metav1.CreateOptions{}))
	}
	page := must(maps.List(c.ctx, metav1.ListOptions{Limit: 1}))
	must(maps.Patch(c.ctx, "f2", types.MergePatchType, []byte(`{"data":{"a":"1"}}`), metav1.PatchOptions{}))
	if said, err := exec.Command(forget[0], forget[1:]...).CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%v: %s", err, said))
	}
	// What was a moment ago is still in memory; how it all began is not.
	// It is said in the stream: a RetryWatcher takes an answer of 410 for a reason to try again.
	w := must(maps.Watch(c.ctx, metav1.ListOptions{ResourceVersion: "1"}))
	told := errors.FromObject(next(w, c).Object)
	expect(errors.IsResourceExpired(told), "%v", told)
	_, err := maps.List(c.ctx, metav1.ListOptions{Limit: 1, Continue: page.Continue})
	expect(errors.IsResourceExpired(err), "%v", err)
	again := err.(errors.APIStatus).Status().ListMeta.Continue
	rest := must(maps.List(c.ctx, metav1.ListOptions{Continue: again}))
	expect(len(rest.Items) >= 2, "%v", rest)
	// A RetryWatcher says so and ends; whoever uses it lists anew.
	retried := must(toolswatch.NewRetryWatcher("1", &cache.ListWatch{WatchFunc: func(options metav1.ListOptions) (watch.Interface, error) {
		return maps.Watch(c.ctx, options)
	}}))
	event := next(retried, c)
	status, is := event.Object.(*metav1.Status)
	expect(event.Type == watch.Error && is && status.Code == 410, "%v", event)
	<-retried.Done()
}

func untils(c *cluster) {
	maps := c.json.CoreV1().ConfigMaps(c.ns)
	from := must(maps.List(c.ctx, metav1.ListOptions{}))
	lw := &cache.ListWatch{
		ListFunc: func(options metav1.ListOptions) (runtime.Object, error) {
			options.FieldSelector = fields.OneTermEqualSelector("metadata.name", "u").String()
			return maps.List(c.ctx, options)
		},
		WatchFunc: func(options metav1.ListOptions) (watch.Interface, error) {
			options.FieldSelector = fields.OneTermEqualSelector("metadata.name", "u").String()
			// The server ends it at once each second: the watcher goes on where it was.
			second := int64(1)
			options.TimeoutSeconds = &second
			return maps.Watch(c.ctx, options)
		},
	}
	go func() {
		_, _ = maps.Create(c.ctx, configMap("u", nil, nil), metav1.CreateOptions{})
		for i := range 30 {
			patch := []byte(`{"data":{"n":"` + strconv.Itoa(i) + `"}}`)
			_, _ = maps.Patch(c.ctx, "u", types.MergePatchType, patch, metav1.PatchOptions{})
		}
	}()
	last := -1
	seen := func(event watch.Event) (bool, error) {
		number, err := strconv.Atoi(event.Object.(*corev1.ConfigMap).Data["n"])
		if err != nil {
			return false, nil
		}
		if number != last+1 {
			return false, fmt.Errorf("%d after %d", number, last)
		}
		last = number
		return number == 29, nil
	}
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	must(toolswatch.Until(ctx, from.ResourceVersion, lw, seen))
	check(maps.Delete(c.ctx, "u", metav1.DeleteOptions{}))
	must(toolswatch.UntilWithSync(ctx, lw, &corev1.ConfigMap{}, func(store cache.Store) (bool, error) {
		return len(store.List()) == 0, nil
	}))
	w := must(toolswatch.NewRetryWatcher(from.ResourceVersion, lw))
	nextMap(w, c, watch.Added, "u")
	w.Stop()
}
