// What controllers are made of: informers with indexers and listers, streamed lists, workqueues.
package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/retry"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
)

func informers_(c *cluster) {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	maps := c.proto.CoreV1().ConfigMaps(c.ns)
	for i := range 20 {
		must(maps.Create(ctx, configMap(fmt.Sprint("i", i), nil, map[string]string{"half": fmt.Sprint(i % 2)}), metav1.CreateOptions{}))
	}
	factory := informers.NewSharedInformerFactoryWithOptions(c.proto, 0, informers.WithNamespace(c.ns))
	informer := factory.Core().V1().ConfigMaps().Informer()
	check(informer.AddIndexers(cache.Indexers{"half": func(object any) ([]string, error) {
		return []string{object.(*corev1.ConfigMap).Labels["half"]}, nil
	}}))
	var added, changed, deleted atomic.Int64
	handler := must(informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { added.Add(1) },
		UpdateFunc: func(any, any) { changed.Add(1) },
		DeleteFunc: func(any) { deleted.Add(1) },
	}))
	// Several kinds at once over one connection.
	factory.Core().V1().Pods().Informer()
	factory.Apps().V1().Deployments().Informer()
	factory.Coordination().V1().Leases().Informer()
	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		expect(synced, "%v does not sync", kind)
	}
	expect(cache.WaitForCacheSync(ctx.Done(), handler.HasSynced), "the handler does not sync")
	lister := factory.Core().V1().ConfigMaps().Lister().ConfigMaps(c.ns)
	halves := func() []any { return must(informer.GetIndexer().ByIndex("half", "1")) }
	expect(added.Load() >= 20 && len(halves()) == 10, "%d added, halves %d", added.Load(), len(halves()))
	must(maps.Patch(ctx, "i0", types.MergePatchType, []byte(`{"metadata":{"labels":{"half":"1"}}}`), metav1.PatchOptions{}))
	check(maps.Delete(ctx, "i1", metav1.DeleteOptions{}))
	c.eventually("the informer sees them", func() bool {
		return changed.Load() >= 1 && deleted.Load() == 1 && len(halves()) == 10
	})
	_, err := lister.Get("i1")
	expect(errors.IsNotFound(err), "%v", err)
	odd := must(lister.List(labels.SelectorFromSet(labels.Set{"half": "1"})))
	expect(len(odd) == 10, "%d", len(odd))
	cancel()
	factory.Shutdown()
}

// `sendInitialEvents`: no list at all, and the bookmark that says it is complete.
func watchLists(c *cluster) {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	maps := c.proto.CoreV1().ConfigMaps(c.ns)
	for i := range 50 {
		must(maps.Create(ctx, configMap(fmt.Sprint("s", i), map[string]string{"k": "v"}, nil), metav1.CreateOptions{}))
	}
	before := must(maps.List(ctx, metav1.ListOptions{}))
	var lists atomic.Int64
	lw := &cache.ListWatch{
		ListFunc: func(options metav1.ListOptions) (runtime.Object, error) {
			lists.Add(1)
			return maps.List(ctx, options)
		},
		WatchFunc: func(options metav1.ListOptions) (watch.Interface, error) { return maps.Watch(ctx, options) },
	}
	store := cache.NewStore(cache.MetaNamespaceKeyFunc)
	reflector := cache.NewReflectorWithOptions(lw, &corev1.ConfigMap{}, store, cache.ReflectorOptions{})
	reflector.UseWatchList = ptr.To(true)
	done := make(chan struct{})
	go func() { reflector.Run(ctx.Done()); close(done) }()
	c.eventually("the store is filled", func() bool { return len(store.List()) == len(before.Items) })
	must(maps.Create(ctx, configMap("late", nil, nil), metav1.CreateOptions{}))
	c.eventually("the next one", func() bool { _, is, _ := store.GetByKey(c.ns + "/late"); return is })
	expect(lists.Load() == 0, "it fell back to listing")
	cancel()
	<-done

	// By hand: all that is there, then a bookmark with the annotation, of a version that is no older.
	w := must(maps.Watch(c.ctx, metav1.ListOptions{
		SendInitialEvents: ptr.To(true), AllowWatchBookmarks: true, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	}))
	defer w.Stop()
	count := 0
	for {
		event := next(w, c)
		if event.Type == watch.Added {
			count++
			continue
		}
		mark := event.Object.(*corev1.ConfigMap)
		expect(event.Type == watch.Bookmark && mark.Annotations[metav1.InitialEventsAnnotationKey] == "true", "%v", event)
		expect(count == len(before.Items)+1, "%d before the bookmark", count)
		return
	}
}

// Writes a copy of every Secret's keys into a ConfigMap of its name, and nothing else, however often it is told.
func controller(c *cluster) {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	const many = 30
	factory := informers.NewSharedInformerFactoryWithOptions(c.proto, 0, informers.WithNamespace(c.ns))
	secrets := factory.Core().V1().Secrets()
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]())
	add := func(object any) {
		if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(object); err == nil {
			queue.Add(key)
		}
	}
	must(secrets.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: add, UpdateFunc: func(_, object any) { add(object) }, DeleteFunc: add,
	}))
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	maps := c.proto.CoreV1().ConfigMaps(c.ns)
	reconcile := func(key string) error {
		_, name, _ := cache.SplitMetaNamespaceKey(key)
		secret, err := secrets.Lister().Secrets(c.ns).Get(name)
		if errors.IsNotFound(err) {
			if err = maps.Delete(ctx, name, metav1.DeleteOptions{}); errors.IsNotFound(err) {
				return nil
			}
			return err
		}
		wanted := configMap(name, map[string]string{"keys": fmt.Sprint(len(secret.Data))}, map[string]string{"made": "by"})
		_, err = maps.Create(ctx, wanted, metav1.CreateOptions{})
		if errors.IsAlreadyExists(err) {
			_, err = maps.Update(ctx, wanted, metav1.UpdateOptions{})
		}
		return err
	}
	var workers sync.WaitGroup
	for range 3 {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for {
				key, over := queue.Get()
				if over {
					return
				}
				if reconcile(key) != nil {
					queue.AddRateLimited(key)
				} else {
					queue.Forget(key)
				}
				queue.Done(key)
			}
		}()
	}
	defer workers.Wait()
	defer queue.ShutDown()
	for i := range many {
		must(c.json.CoreV1().Secrets(c.ns).Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("s", i)}, StringData: map[string]string{"a": "b"}}, metav1.CreateOptions{}))
	}
	for i := range many / 2 {
		check(c.json.CoreV1().Secrets(c.ns).Delete(ctx, fmt.Sprint("s", i), metav1.DeleteOptions{}))
	}
	for i := many / 2; i < many; i++ {
		must(c.json.CoreV1().Secrets(c.ns).Patch(ctx, fmt.Sprint("s", i), types.StrategicMergePatchType, []byte(`{"stringData":{"c":"d"}}`), metav1.PatchOptions{}))
	}
	c.eventually("the maps are those of the secrets", func() bool {
		list := must(maps.List(ctx, metav1.ListOptions{LabelSelector: "made=by"}))
		for _, item := range list.Items {
			if item.Data["keys"] != "2" {
				return false
			}
		}
		return len(list.Items) == many-many/2
	})
}

func conflicts(c *cluster) {
	maps := c.proto.CoreV1().ConfigMaps(c.ns)
	must(maps.Create(c.ctx, configMap("n", map[string]string{"n": "0"}, nil), metav1.CreateOptions{}))
	var writers sync.WaitGroup
	var failed atomic.Value
	backoff := wait.Backoff{Steps: 1000, Duration: 5 * time.Millisecond, Factor: 1, Jitter: 1}
	for range 5 {
		writers.Add(1)
		go func() {
			defer writers.Done()
			for range 10 {
				err := retry.RetryOnConflict(backoff, func() error {
					read, err := maps.Get(c.ctx, "n", metav1.GetOptions{})
					if err != nil {
						return err
					}
					var number int
					_, _ = fmt.Sscan(read.Data["n"], &number)
					read.Data["n"] = fmt.Sprint(number + 1)
					_, err = maps.Update(c.ctx, read, metav1.UpdateOptions{})
					return err
				})
				if err != nil {
					failed.Store(err)
				}
			}
		}()
	}
	writers.Wait()
	expect(failed.Load() == nil, "%v", failed.Load())
	expect(must(maps.Get(c.ctx, "n", metav1.GetOptions{})).Data["n"] == "50", "a write was lost")
}
