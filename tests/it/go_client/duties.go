// What is asked of a server beside plain objects: scales, evictions, tokens, leases, events, metadata.
package main

import (
	"context"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"
)

func scales(c *cluster) {
	for _, client := range []kubernetes.Interface{c.json, c.proto} {
		deployments := client.AppsV1().Deployments(c.ns)
		must(deployments.Create(c.ctx, deployment("web", 0), metav1.CreateOptions{}))
		scale := must(deployments.GetScale(c.ctx, "web", metav1.GetOptions{}))
		expect(scale.Spec.Replicas == 0 && scale.Status.Selector == "app=web", "%v", scale)
		// Its controller writes, too.
		check(retry.RetryOnConflict(retry.DefaultBackoff, func() error {
			scale = must(deployments.GetScale(c.ctx, "web", metav1.GetOptions{}))
			scale.Spec.Replicas = 2
			_, err := deployments.UpdateScale(c.ctx, "web", scale, metav1.UpdateOptions{})
			return err
		}))
		read := must(deployments.Get(c.ctx, "web", metav1.GetOptions{}))
		expect(*read.Spec.Replicas == 2 && read.Generation == 2, "%v", read)
		_, err := deployments.UpdateScale(c.ctx, "web", scale, metav1.UpdateOptions{})
		expect(errors.IsConflict(err), "%v", err)
		scale.ResourceVersion, scale.Spec.Replicas = "", -1
		_, err = deployments.UpdateScale(c.ctx, "web", scale, metav1.UpdateOptions{})
		expect(errors.IsInvalid(err), "%v", err)
		check(deployments.Delete(c.ctx, "web", metav1.DeleteOptions{}))
	}
}

// A pod that runs, as a node would report it.
func (c *cluster) running(client kubernetes.Interface, name string, labels map[string]string) *corev1.Pod {
	made := pod(name, labels)
	// A node that is missing is waited for, but not for ever: each step's is another's.
	made.Spec.NodeName = "nowhere-" + c.ns
	made = must(client.CoreV1().Pods(c.ns).Create(c.ctx, made, metav1.CreateOptions{}))
	made.Status.Phase = corev1.PodRunning
	made.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	return must(client.CoreV1().Pods(c.ns).UpdateStatus(c.ctx, made, metav1.UpdateOptions{}))
}

func evictions(c *cluster) {
	labels := map[string]string{"app": "guarded"}
	for _, name := range []string{"p0", "p1"} {
		c.running(c.proto, name, labels)
	}
	budgets := c.proto.PolicyV1().PodDisruptionBudgets(c.ns)
	must(budgets.Create(c.ctx, &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: "b"}, Spec: policyv1.PodDisruptionBudgetSpec{
		MinAvailable: ptr.To(intstr.FromInt32(1)), Selector: &metav1.LabelSelector{MatchLabels: labels}}}, metav1.CreateOptions{}))
	c.eventually("the budget allows one", func() bool {
		return must(budgets.Get(c.ctx, "b", metav1.GetOptions{})).Status.DisruptionsAllowed == 1
	})
	evict := func(client kubernetes.Interface, name string) error {
		return client.PolicyV1().Evictions(c.ns).Evict(c.ctx, &policyv1.Eviction{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: c.ns}, DeleteOptions: &metav1.DeleteOptions{GracePeriodSeconds: ptr.To(int64(0))}})
	}
	check(evict(c.json, "p0"))
	err := evict(c.proto, "p1")
	expect(errors.IsTooManyRequests(err) && errors.HasStatusCause(err, policyv1.DisruptionBudgetCause), "%v", err)
	check(budgets.Delete(c.ctx, "b", metav1.DeleteOptions{}))
	c.eventually("nothing guards it", func() bool { return evict(c.proto, "p1") == nil })
	err = evict(c.json, "p1")
	expect(errors.IsNotFound(err), "%v", err)
}

func tokens(c *cluster) {
	for i, client := range []kubernetes.Interface{c.json, c.proto} {
		bound := c.running(client, "bound"+string(rune('0'+i)), nil)
		request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
			ExpirationSeconds: ptr.To(int64(3600)),
			BoundObjectRef:    &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: bound.Name, UID: bound.UID},
		}}
		made := must(client.CoreV1().ServiceAccounts(c.ns).CreateToken(c.ctx, "default", request, metav1.CreateOptions{}))
		expect(strings.Count(made.Status.Token, ".") == 2 && time.Until(made.Status.ExpirationTimestamp.Time) > 50*time.Minute, "%v", made)
		config := rest.AnonymousClientConfig(c.config)
		config.BearerToken = made.Status.Token
		if i == 1 {
			config.ContentType = protobuf
		}
		account := must(kubernetes.NewForConfig(config))
		who := must(account.AuthenticationV1().SelfSubjectReviews().Create(c.ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{}))
		user := who.Status.UserInfo
		expect(user.Username == "system:serviceaccount:"+c.ns+":default" && user.Extra["authentication.kubernetes.io/pod-name"][0] == bound.Name, "%v", user)
		may := must(account.AuthorizationV1().SelfSubjectAccessReviews().Create(c.ctx, &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "delete", Resource: "nodes"}}}, metav1.CreateOptions{}))
		expect(!may.Status.Allowed, "%v", may)
		rules := must(account.AuthorizationV1().SelfSubjectRulesReviews().Create(c.ctx, &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: c.ns}}, metav1.CreateOptions{}))
		expect(len(rules.Status.ResourceRules) > 0 && len(rules.Status.NonResourceRules) > 0, "%v", rules)
		review := func() authenticationv1.TokenReviewStatus {
			return must(client.AuthenticationV1().TokenReviews().Create(c.ctx, &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: made.Status.Token}}, metav1.CreateOptions{})).Status
		}
		expect(review().Authenticated, "%v", review())
		check(client.CoreV1().Pods(c.ns).Delete(c.ctx, bound.Name, metav1.DeleteOptions{GracePeriodSeconds: ptr.To(int64(0))}))
		c.eventually("the token ends with its pod", func() bool { return !review().Authenticated })
		request.Spec.BoundObjectRef = nil
		request.Spec.ExpirationSeconds = ptr.To(int64(1))
		_, err := client.CoreV1().ServiceAccounts(c.ns).CreateToken(c.ctx, "default", request, metav1.CreateOptions{})
		expect(errors.IsInvalid(err), "%v", err)
	}
}

// Two candidates: one leads, steps down, the other takes over; then that one falls silent, and the first returns.
func elections(c *cluster) {
	leads := make(chan string, 10)
	candidate := func(ctx context.Context, name string, release bool) (ended chan struct{}) {
		lock := must(resourcelock.New(resourcelock.LeasesResourceLock, c.ns, "leader", c.proto.CoreV1(), c.proto.CoordinationV1(), resourcelock.ResourceLockConfig{Identity: name}))
		elector := must(leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: lock, LeaseDuration: 10 * time.Second, RenewDeadline: 8 * time.Second, RetryPeriod: 200 * time.Millisecond, ReleaseOnCancel: release, Name: name,
			Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: func(context.Context) { leads <- name }, OnStoppedLeading: func() {}},
		}))
		ended = make(chan struct{})
		go func() { elector.Run(ctx); close(ended) }()
		return ended
	}
	leader := func() string {
		select {
		case name := <-leads:
			return name
		case <-c.ctx.Done():
			panic("nobody leads")
		}
	}
	first, stop := context.WithCancel(c.ctx)
	defer stop()
	a := candidate(first, "a", true)
	expect(leader() == "a", "a does not lead")
	second, fall := context.WithCancel(c.ctx)
	defer fall()
	b := candidate(second, "b", false)
	leases := c.json.CoordinationV1().Leases(c.ns)
	held := must(leases.Get(c.ctx, "leader", metav1.GetOptions{}))
	expect(*held.Spec.HolderIdentity == "a", "%v", held.Spec)
	stop()
	<-a
	expect(leader() == "b", "b does not take over")
	lease := must(leases.Get(c.ctx, "leader", metav1.GetOptions{}))
	expect(*lease.Spec.HolderIdentity == "b" && *lease.Spec.LeaseTransitions >= 1, "%v", lease.Spec)
	fall()
	<-b
	third, end := context.WithCancel(c.ctx)
	a = candidate(third, "a", true)
	expect(leader() == "a", "a does not take over when b falls silent")
	end()
	<-a
}

func recorders(c *cluster) {
	of := c.running(c.proto, "seen", nil)
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: c.proto.CoreV1().Events(c.ns)})
	recorder := broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "tester"})
	for range 3 {
		recorder.Eventf(of, corev1.EventTypeWarning, "Tried", "it went %s", "wrong")
	}
	selector := metav1.ListOptions{FieldSelector: "involvedObject.name=seen,reason=Tried,type=Warning"}
	c.eventually("three are one with a count", func() bool {
		list := must(c.json.CoreV1().Events(c.ns).List(c.ctx, selector))
		return len(list.Items) == 1 && list.Items[0].Count == 3 && list.Items[0].Source.Component == "tester"
	})
	broadcaster.Shutdown()
	found := must(c.json.CoreV1().Events(c.ns).Search(scheme.Scheme, of))
	expect(len(found.Items) == 1, "%v", found)

	newer := events.NewBroadcaster(&events.EventSinkImpl{Interface: c.proto.EventsV1()})
	stop := make(chan struct{})
	newer.StartRecordingToSink(stop)
	reporter := newer.NewRecorder(scheme.Scheme, "tester")
	looked := metav1.ListOptions{FieldSelector: "reason=Looked"}
	for i := range 2 {
		reporter.Eventf(of, nil, corev1.EventTypeNormal, "Looked", "Looking", "at %s", of.Name)
		// A second one before the first is there would be tried again after ten seconds.
		c.eventually("it is there", func() bool { return len(must(c.json.EventsV1().Events(c.ns).List(c.ctx, looked)).Items) == 1 || i > 0 })
	}
	c.eventually("the second makes it a series", func() bool {
		list := must(c.json.EventsV1().Events(c.ns).List(c.ctx, looked))
		return len(list.Items) == 1 && list.Items[0].Action == "Looking" && series(list.Items[0]) >= 2
	})
	old := must(c.proto.CoreV1().Events(c.ns).List(c.ctx, looked))
	expect(len(old.Items) == 1 && old.Items[0].Message == "at seen", "%v", old)
	close(stop)
	newer.Shutdown()
}

func series(event eventsv1.Event) int32 {
	if event.Series == nil {
		return 0
	}
	return event.Series.Count
}

func metadatas(c *cluster) {
	resource := schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	secrets := c.meta.Resource(resource).Namespace(c.ns)
	for _, name := range []string{"a", "b", "c"} {
		must(c.json.CoreV1().Secrets(c.ns).Create(c.ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"n": name}}, StringData: map[string]string{"k": "secret"}}, metav1.CreateOptions{}))
	}
	list := must(secrets.List(c.ctx, metav1.ListOptions{LabelSelector: "n"}))
	expect(len(list.Items) == 3 && list.Items[0].Labels["n"] == "a", "%v", list)
	page := must(secrets.List(c.ctx, metav1.ListOptions{Limit: 1, LabelSelector: "n"}))
	expect(len(page.Items) == 1 && page.Continue != "", "%v", page)
	w := must(secrets.Watch(c.ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion}))
	defer w.Stop()
	patched := must(secrets.Patch(c.ctx, "a", types.MergePatchType, []byte(`{"metadata":{"annotations":{"x":"y"}}}`), metav1.PatchOptions{}))
	expect(patched.Annotations["x"] == "y", "%v", patched)
	event := next(w, c)
	object, is := event.Object.(*metav1.PartialObjectMetadata)
	expect(is && event.Type == watch.Modified && object.Annotations["x"] == "y", "%v", event)
	factory := metadatainformer.NewFilteredSharedInformerFactory(c.meta, 0, c.ns, nil)
	informer := factory.ForResource(resource)
	informer.Informer()
	factory.Start(c.ctx.Done())
	factory.WaitForCacheSync(c.ctx.Done())
	one := must(informer.Lister().ByNamespace(c.ns).Get("b")).(*metav1.PartialObjectMetadata)
	expect(one.Labels["n"] == "b", "%v", one)
	check(secrets.DeleteCollection(c.ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "n in (a,b)"}))
	check(secrets.Delete(c.ctx, "c", metav1.DeleteOptions{}))
	left := must(secrets.List(c.ctx, metav1.ListOptions{LabelSelector: "n"}))
	expect(len(left.Items) == 0, "%v", left)
}
