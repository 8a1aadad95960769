// Server-side apply by typed configurations.
package main

import (
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apps "k8s.io/client-go/applyconfigurations/apps/v1"
	autoscaling "k8s.io/client-go/applyconfigurations/autoscaling/v1"
	core "k8s.io/client-go/applyconfigurations/core/v1"
	meta "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/kubernetes"
)

func applies(c *cluster) {
	for _, client := range []kubernetes.Interface{c.json, c.proto} {
		deployments := client.AppsV1().Deployments(c.ns)
		labels := map[string]string{"app": "web"}
		wanted := func() *apps.DeploymentApplyConfiguration {
			return apps.Deployment("web", c.ns).WithLabels(labels).WithSpec(apps.DeploymentSpec().WithReplicas(0).
				WithSelector(meta.LabelSelector().WithMatchLabels(labels)).
				WithTemplate(core.PodTemplateSpec().WithLabels(labels).WithSpec(core.PodSpec().WithContainers(
					core.Container().WithName("web").WithImage("nginx:1").WithEnv(core.EnvVar().WithName("A").WithValue("1")).
						WithPorts(core.ContainerPort().WithContainerPort(80)),
				))))
		}
		mine := metav1.ApplyOptions{FieldManager: "mine"}
		made := must(deployments.Apply(c.ctx, wanted(), mine))
		same := must(deployments.Apply(c.ctx, wanted(), mine))
		expect(same.Generation == made.Generation && len(same.ManagedFields) >= len(made.ManagedFields), "the same is a change")

		// Another's field is refused by name, taken by force.
		theirs := apps.Deployment("web", c.ns).WithSpec(apps.DeploymentSpec().WithReplicas(0).
			WithTemplate(core.PodTemplateSpec().WithSpec(core.PodSpec().WithContainers(core.Container().WithName("web").WithImage("nginx:2")))))
		_, err := deployments.Apply(c.ctx, theirs, metav1.ApplyOptions{FieldManager: "theirs"})
		expect(errors.IsConflict(err), "%v", err)
		causes := err.(errors.APIStatus).Status().Details.Causes
		expect(len(causes) == 1 && causes[0].Type == metav1.CauseTypeFieldManagerConflict &&
			causes[0].Field == `.spec.template.spec.containers[name="web"].image`, "%v", causes)
		forced := must(deployments.Apply(c.ctx, theirs, metav1.ApplyOptions{FieldManager: "theirs", Force: true}))
		expect(forced.Spec.Template.Spec.Containers[0].Image == "nginx:2", "%v", forced)

		// What a manager owns can be taken out of the object, changed and applied again.
		read := must(deployments.Get(c.ctx, "web", metav1.GetOptions{}))
		extracted := must(apps.ExtractDeployment(read, "mine"))
		containers := extracted.Spec.Template.Spec.Containers
		expect(len(containers) == 1 && containers[0].Image == nil && len(containers[0].Env) == 1, "%v", containers)
		containers[0].Env = nil
		extracted.Spec.Template.Spec.Containers[0].WithEnv(core.EnvVar().WithName("B").WithValue("2"))
		changed := must(deployments.Apply(c.ctx, extracted, mine))
		env := changed.Spec.Template.Spec.Containers[0].Env
		expect(len(env) == 1 && env[0].Name == "B", "%v", env)

		// What nobody applies any more goes; what another still applies stays.
		bare := wanted()
		bare.Spec.Replicas = nil
		bare.Spec.Template.Spec.Containers[0].Image = nil
		bare.Spec.Template.Spec.Containers[0].Env = nil
		left := must(deployments.Apply(c.ctx, bare, mine)).Spec
		expect(*left.Replicas == 0 && left.Template.Spec.Containers[0].Image == "nginx:2" && len(left.Template.Spec.Containers[0].Env) == 0, "%v", left)

		scaled := must(deployments.ApplyScale(c.ctx, "web", autoscaling.Scale().WithSpec(autoscaling.ScaleSpec().WithReplicas(0)), metav1.ApplyOptions{FieldManager: "scaler", Force: true}))
		expect(scaled.Spec.Replicas == 0, "%v", scaled)
		status := apps.Deployment("web", c.ns).WithStatus(apps.DeploymentStatus().WithConditions(
			apps.DeploymentCondition().WithType("Tested").WithStatus("True").WithReason("R").WithMessage("m")))
		conditions := must(deployments.ApplyStatus(c.ctx, status, metav1.ApplyOptions{FieldManager: "reporter"})).Status.Conditions
		found := false
		for _, condition := range conditions {
			found = found || condition.Type == "Tested"
		}
		expect(found, "%v", conditions)
		_, err = deployments.Apply(c.ctx, apps.Deployment("web", c.ns), metav1.ApplyOptions{})
		expect(errors.IsInvalid(err) || errors.IsBadRequest(err), "no field manager: %v", err)
		check(deployments.Delete(c.ctx, "web", metav1.DeleteOptions{}))
	}
}
