// Typed clients: the life of objects, what errors say, and that both encodings are the same objects.
package main

import (
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
)

func pod(name string, labels map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec:       template(labels).Spec,
	}
}

func template(labels map[string]string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "web", Image: "nginx:1",
			Ports:     []corev1.ContainerPort{{Name: "http", ContainerPort: 80}},
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("100m")}},
			Env:       []corev1.EnvVar{{Name: "A", Value: "1"}},
		}}},
	}
}

func deployment(name string, replicas int32) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: template(labels),
		},
	}
}

func typedLife(c *cluster) {
	for _, client := range []kubernetes.Interface{c.json, c.proto} {
		maps := client.CoreV1().ConfigMaps(c.ns)
		made := must(maps.Create(c.ctx, configMap("a", map[string]string{"k": "1"}, map[string]string{"in": "yes"}), metav1.CreateOptions{}))
		expect(made.UID != "" && made.ResourceVersion != "" && !made.CreationTimestamp.IsZero(), "%v", made)
		made.Data["k"] = "2"
		made.BinaryData = map[string][]byte{"b": {0, 255, 1}}
		changed := must(maps.Update(c.ctx, made, metav1.UpdateOptions{FieldManager: "me"}))
		expect(changed.ResourceVersion != made.ResourceVersion, "no new version")
		read := must(maps.Get(c.ctx, "a", metav1.GetOptions{}))
		expect(equality.Semantic.DeepEqual(read, changed), "%v is not %v", read, changed)
		expect(len(read.ManagedFields) == 2 && read.ManagedFields[0].FieldsV1 != nil, "%v", read.ManagedFields)
		merged := must(maps.Patch(c.ctx, "a", types.MergePatchType, []byte(`{"data":{"k":null,"l":"3"}}`), metav1.PatchOptions{}))
		expect(len(merged.Data) == 1 && merged.Data["l"] == "3", "%v", merged.Data)
		listed := must(maps.List(c.ctx, metav1.ListOptions{LabelSelector: "in in (yes), !out", FieldSelector: "metadata.name=a"}))
		expect(len(listed.Items) == 1 && listed.ResourceVersion != "", "%v", listed)
		wrong := types.UID("wrong")
		err := maps.Delete(c.ctx, "a", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &wrong}})
		expect(errors.IsConflict(err), "%v", err)
		check(maps.Delete(c.ctx, "a", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &read.UID}}))
		for range 3 {
			named := configMap("", nil, map[string]string{"of": "many"})
			named.GenerateName = "many-"
			must(maps.Create(c.ctx, named, metav1.CreateOptions{}))
		}
		check(maps.DeleteCollection(c.ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "of=many"}))
		left := must(maps.List(c.ctx, metav1.ListOptions{LabelSelector: "of=many"}))
		expect(len(left.Items) == 0, "%v", left)

		apps := client.AppsV1().Deployments(c.ns)
		must(apps.Create(c.ctx, deployment("web", 1), metav1.CreateOptions{}))
		patch := `{"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"B","value":"2"}]},{"name":"side","image":"busybox:1"}]}}}}`
		patched := must(apps.Patch(c.ctx, "web", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}))
		containers := patched.Spec.Template.Spec.Containers
		expect(len(containers) == 2 && patched.Generation == 2, "%v", patched)
		for _, container := range containers {
			expect(container.Name != "web" || len(container.Env) == 2, "%v", container)
		}
		must(apps.Patch(c.ctx, "web", types.JSONPatchType, []byte(`[{"op":"test","path":"/spec/replicas","value":1},{"op":"replace","path":"/spec/replicas","value":0}]`), metav1.PatchOptions{}))
		policy := metav1.DeletePropagationForeground
		check(apps.Delete(c.ctx, "web", metav1.DeleteOptions{PropagationPolicy: &policy}))
		c.eventually("the deployment goes", func() bool {
			_, err := apps.Get(c.ctx, "web", metav1.GetOptions{})
			return errors.IsNotFound(err)
		})
	}
}

func typedErrors(c *cluster) {
	for _, client := range []kubernetes.Interface{c.json, c.proto} {
		maps := client.CoreV1().ConfigMaps(c.ns)
		_, err := maps.Get(c.ctx, "none", metav1.GetOptions{})
		expect(errors.IsNotFound(err) && err.Error() == `configmaps "none" not found`, "%v", err)
		made := must(maps.Create(c.ctx, configMap("a", nil, nil), metav1.CreateOptions{}))
		_, err = maps.Create(c.ctx, configMap("a", nil, nil), metav1.CreateOptions{})
		expect(errors.IsAlreadyExists(err) && err.Error() == `configmaps "a" already exists`, "%v", err)
		must(maps.Patch(c.ctx, "a", types.MergePatchType, []byte(`{"data":{"x":"y"}}`), metav1.PatchOptions{}))
		_, err = maps.Update(c.ctx, made, metav1.UpdateOptions{})
		expect(errors.IsConflict(err) && strings.Contains(err.Error(), "the object has been modified"), "%v", err)
		check(maps.Delete(c.ctx, "a", metav1.DeleteOptions{}))
		bad := deployment("Bad_Name", 1)
		bad.Spec.Template.Labels = map[string]string{"other": "label"}
		bad.Spec.Template.Spec.Containers[0].Image = ""
		_, err = client.AppsV1().Deployments(c.ns).Create(c.ctx, bad, metav1.CreateOptions{})
		expect(errors.IsInvalid(err), "%v", err)
		status := err.(errors.APIStatus).Status()
		fields := map[string]bool{}
		for _, cause := range status.Details.Causes {
			fields[cause.Field] = true
		}
		for _, field := range []string{"metadata.name", "spec.template.metadata.labels", "spec.template.spec.containers[0].image"} {
			expect(fields[field], "no cause of %s: %v", field, status.Details)
		}
		_, err = maps.Patch(c.ctx, "none", types.MergePatchType, []byte(`{}`), metav1.PatchOptions{})
		expect(errors.IsNotFound(err), "%v", err)
		_, err = client.CoreV1().ConfigMaps("no-such-namespace").Create(c.ctx, configMap("a", nil, nil), metav1.CreateOptions{})
		expect(errors.IsNotFound(err) && strings.Contains(err.Error(), `namespaces "no-such-namespace" not found`), "%v", err)
		_, err = maps.List(c.ctx, metav1.ListOptions{LabelSelector: "a=b=c"})
		expect(errors.IsBadRequest(err), "%v", err)
		// Once: client-go would try it again for a minute.
		err = client.CoreV1().RESTClient().Get().Namespace(c.ns).Resource("configmaps").Param("resourceVersion", "999999999").MaxRetries(0).Do(c.ctx).Error()
		expect(errors.IsTimeout(err) && errors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge), "%v", err)
	}
	nobody := rest.CopyConfig(c.config)
	nobody.Impersonate = rest.ImpersonationConfig{UserName: "nobody"}
	_, err := must(kubernetes.NewForConfig(nobody)).CoreV1().Secrets(c.ns).List(c.ctx, metav1.ListOptions{})
	expect(errors.IsForbidden(err) && strings.Contains(err.Error(), `User "nobody" cannot list resource "secrets" in API group ""`), "%v", err)
	anybody := rest.AnonymousClientConfig(c.config)
	anybody.BearerToken = "wrong"
	_, err = must(kubernetes.NewForConfig(anybody)).CoreV1().Secrets(c.ns).List(c.ctx, metav1.ListOptions{})
	expect(errors.IsUnauthorized(err), "%v", err)
}

// Each is written in one encoding, read in both, and must be the same; so must lists be.
func sameInBoth(c *cluster) {
	list := metav1.ListOptions{}
	labels := map[string]string{"app": "x"}
	selector := &metav1.LabelSelector{MatchLabels: labels}
	port := networkingv1.ServiceBackendPort{Number: 80}
	prefix := networkingv1.PathTypePrefix
	kinds := map[string]func(kubernetes.Interface, string) (any, error){
		"pods": func(k kubernetes.Interface, verb string) (any, error) {
			return life(k.CoreV1().Pods(c.ns), verb, pod("x", labels), c)
		},
		"services": func(k kubernetes.Interface, verb string) (any, error) {
			return life(k.CoreV1().Services(c.ns), verb, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "x"}, Spec: corev1.ServiceSpec{
				Selector: labels, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromString("http")}}}}, c)
		},
		"secrets": func(k kubernetes.Interface, verb string) (any, error) {
			return life(k.CoreV1().Secrets(c.ns), verb, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "x"},
				Data: map[string][]byte{"b": {1, 2, 0}}, StringData: map[string]string{"s": "t"}}, c)
		},
		"claims": func(k kubernetes.Interface, verb string) (any, error) {
			return life(k.CoreV1().PersistentVolumeClaims(c.ns), verb, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "x"},
				Spec: corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{"ReadWriteOnce"}, Resources: corev1.VolumeResourceRequirements{
					Requests: corev1.ResourceList{"storage": resource.MustParse("1.5Gi")}}}}, c)
		},
		"deployments": func(k kubernetes.Interface, verb string) (any, error) {
			return life(k.AppsV1().Deployments(c.ns), verb, deployment("x", 0), c)
		},
		"stateful sets": func(k kubernetes.Interface, verb string) (any, error) {
			return life(k.AppsV1().StatefulSets(c.ns), verb, &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "x"},
				Spec: appsv1.StatefulSetSpec{Replicas: ptr.To(int32(0)), Selector: selector, Template: template(labels), ServiceName: "x"}}, c)
		},
		"cron jobs": func(k kubernetes.Interface, verb string) (any, error) {
			spec := template(labels)
			spec.Spec.RestartPolicy = corev1.RestartPolicyNever
			return life(k.BatchV1().CronJobs(c.ns), verb, &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Name: "x"}, Spec: batchv1.CronJobSpec{
				Suspend: ptr.To(true), Schedule: "0 3 * * *", JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: spec}}}}, c)
		},
		"autoscalers": func(k kubernetes.Interface, verb string) (any, error) {
			return life(k.AutoscalingV2().HorizontalPodAutoscalers(c.ns), verb, &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "x"},
				Spec: autoscalingv2.HorizontalPodAutoscalerSpec{MaxReplicas: 3, ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{
					APIVersion: "apps/v1", Kind: "Deployment", Name: "none"}}}, c)
		},
		"ingresses": func(k kubernetes.Interface, verb string) (any, error) {
			return life(k.NetworkingV1().Ingresses(c.ns), verb, &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Name: "x"}, Spec: networkingv1.IngressSpec{
				Rules: []networkingv1.IngressRule{{Host: "x.example.com", IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
					Paths: []networkingv1.HTTPIngressPath{{Path: "/", PathType: &prefix, Backend: networkingv1.IngressBackend{
						Service: &networkingv1.IngressServiceBackend{Name: "x", Port: port}}}}}}}}}}, c)
		},
		"budgets": func(k kubernetes.Interface, verb string) (any, error) {
			return life(k.PolicyV1().PodDisruptionBudgets(c.ns), verb, &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: "x"},
				Spec: policyv1.PodDisruptionBudgetSpec{MinAvailable: ptr.To(intstr.FromString("50%")), Selector: selector}}, c)
		},
		"roles": func(k kubernetes.Interface, verb string) (any, error) {
			return life(k.RbacV1().Roles(c.ns), verb, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "x"}, Rules: []rbacv1.PolicyRule{{
				Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"pods"}}}}, c)
		},
		"endpoint slices": func(k kubernetes.Interface, verb string) (any, error) {
			return life(k.DiscoveryV1().EndpointSlices(c.ns), verb, &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Name: "x"}, AddressType: "IPv4",
				Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.9.8.7"}}}, Ports: []discoveryv1.EndpointPort{{Port: ptr.To(int32(80))}}}, c)
		},
	}
	for name, kind := range kinds {
		for _, pair := range [][2]kubernetes.Interface{{c.json, c.proto}, {c.proto, c.json}} {
			_, err := kind(pair[0], "create")
			expect(err == nil, "%s: %v", name, err)
			// Controllers may write between two reads.
			for _, verb := range []string{"get", "list"} {
				c.eventually(verb+" of "+name+" is the same in both", func() bool {
					return equality.Semantic.DeepEqual(must(kind(c.json, verb)), must(kind(c.proto, verb)))
				})
			}
			_, err = kind(pair[0], "delete")
			expect(err == nil, "%s: %v", name, err)
		}
	}
	// What the server itself made, of many kinds.
	roles := must(c.json.RbacV1().ClusterRoles().List(c.ctx, list)).Items
	same := must(c.proto.RbacV1().ClusterRoles().List(c.ctx, list)).Items
	expect(len(roles) > 20 && equality.Semantic.DeepEqual(roles, same), "cluster roles differ")
	schemas := must(c.json.FlowcontrolV1().FlowSchemas().List(c.ctx, list)).Items
	expect(equality.Semantic.DeepEqual(schemas, must(c.proto.FlowcontrolV1().FlowSchemas().List(c.ctx, list)).Items), "flow schemas differ")
}

func strictness(c *cluster) {
	body := []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"s"},"dta":{"a":"b"}}`)
	send := func(how string) error {
		return c.json.CoreV1().RESTClient().Post().Namespace(c.ns).Resource("configmaps").Param("fieldValidation", how).Body(body).
			SetHeader("Content-Type", "application/json").Do(c.ctx).Error()
	}
	err := send("Strict")
	expect(errors.IsBadRequest(err) && strings.Contains(err.Error(), `unknown field "dta"`), "%v", err)
	warned := rest.CopyConfig(c.config)
	var warnings []string
	warned.WarningHandler = warnTo(func(text string) { warnings = append(warnings, text) })
	loud := must(kubernetes.NewForConfig(warned))
	err = loud.CoreV1().RESTClient().Post().Namespace(c.ns).Resource("configmaps").Param("fieldValidation", "Warn").Body(body).
		SetHeader("Content-Type", "application/json").Do(c.ctx).Error()
	expect(err == nil && fmt.Sprint(warnings) == `[unknown field "dta"]`, "%v %v", err, warnings)
	check(c.json.CoreV1().ConfigMaps(c.ns).Delete(c.ctx, "s", metav1.DeleteOptions{}))
	check(send("Ignore"))

	dry := []string{metav1.DryRunAll}
	made := must(c.proto.CoreV1().ConfigMaps(c.ns).Create(c.ctx, configMap("dry", nil, nil), metav1.CreateOptions{DryRun: dry}))
	expect(made.UID != "", "no answer as if it were made")
	check(c.proto.CoreV1().ConfigMaps(c.ns).Delete(c.ctx, "s", metav1.DeleteOptions{DryRun: dry}))
	names := must(c.proto.CoreV1().ConfigMaps(c.ns).List(c.ctx, metav1.ListOptions{FieldSelector: "metadata.name!=kube-root-ca.crt"}))
	expect(len(names.Items) == 1 && names.Items[0].Name == "s", "%v", names)
}

type warnTo func(string)

func (f warnTo) HandleWarningHeader(_ int, _ string, text string) { f(text) }
