// The dynamic client on a custom resource: made, established, validated, watched, scaled, applied.
package main

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/scale"
)

var definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

type tree = map[string]any

// A kind of the namespace's own group, so that steps do not meet.
func (c *cluster) define() (schema.GroupVersionResource, schema.GroupVersionKind) {
	group := c.ns + ".example.com"
	number := func(more tree) tree {
		all := tree{"type": "integer", "minimum": int64(0)}
		for key, value := range more {
			all[key] = value
		}
		return all
	}
	properties := tree{
		"spec": tree{"type": "object", "required": []any{"size"}, "properties": tree{
			"size": number(nil), "colour": tree{"type": "string", "default": "blue", "enum": []any{"blue", "red"}},
			"parts": tree{"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": []any{"name"}, "items": tree{
				"type": "object", "required": []any{"name"}, "properties": tree{"name": tree{"type": "string"}, "count": number(nil)}}},
		}, "x-kubernetes-validations": []any{tree{"rule": "self.size < 100", "message": "too large"}}},
		"status": tree{"type": "object", "properties": tree{"size": number(nil)}},
	}
	version := tree{"name": "v1", "served": true, "storage": true,
		"schema":       tree{"openAPIV3Schema": tree{"type": "object", "properties": properties}},
		"subresources": tree{"status": tree{}, "scale": tree{"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}},
	}
	object := &unstructured.Unstructured{Object: tree{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": tree{"name": "boxes." + group},
		"spec": tree{"group": group, "scope": "Namespaced", "names": tree{"plural": "boxes", "kind": "Box", "shortNames": []any{"bx"}}, "versions": []any{version}},
	}}
	must(c.dynamic.Resource(definitions).Create(c.ctx, object, metav1.CreateOptions{}))
	c.eventually("it is established", func() bool {
		read := must(c.dynamic.Resource(definitions).Get(c.ctx, object.GetName(), metav1.GetOptions{}))
		conditions, _, _ := unstructured.NestedSlice(read.Object, "status", "conditions")
		for _, condition := range conditions {
			if condition.(tree)["type"] == "Established" {
				return condition.(tree)["status"] == "True"
			}
		}
		return false
	})
	return schema.GroupVersionResource{Group: group, Version: "v1", Resource: "boxes"}, schema.GroupVersionKind{Group: group, Version: "v1", Kind: "Box"}
}

func box(kind schema.GroupVersionKind, name string, spec tree) *unstructured.Unstructured {
	made := &unstructured.Unstructured{Object: tree{"spec": spec}}
	made.SetGroupVersionKind(kind)
	made.SetName(name)
	return made
}

func custom(c *cluster) {
	resource, kind := c.define()
	defer func() {
		check(c.dynamic.Resource(definitions).Delete(c.ctx, resource.GroupResource().String(), metav1.DeleteOptions{}))
		c.eventually("it is served no more", func() bool {
			_, err := c.dynamic.Resource(resource).List(c.ctx, metav1.ListOptions{})
			return errors.IsNotFound(err)
		})
	}()
	boxes := c.dynamic.Resource(resource).Namespace(c.ns)
	made := must(boxes.Create(c.ctx, box(kind, "a", tree{"size": int64(3), "unknown": "x"}), metav1.CreateOptions{}))
	spec := made.Object["spec"].(tree)
	expect(spec["colour"] == "blue" && spec["unknown"] == nil && made.GetGeneration() == 1, "%v", made)
	_, err := boxes.Create(c.ctx, box(kind, "b", tree{"size": int64(-1), "colour": "green"}), metav1.CreateOptions{})
	expect(errors.IsInvalid(err) && strings.Contains(err.Error(), "spec.size") && strings.Contains(err.Error(), "spec.colour"), "%v", err)
	_, err = boxes.Create(c.ctx, box(kind, "b", tree{"size": int64(200)}), metav1.CreateOptions{})
	expect(errors.IsInvalid(err) && strings.Contains(err.Error(), "too large"), "%v", err)
	_, err = boxes.Create(c.ctx, box(kind, "b", tree{"size": int64(1), "unknown": "x"}), metav1.CreateOptions{FieldValidation: "Strict"})
	expect(errors.IsBadRequest(err) && strings.Contains(err.Error(), "spec.unknown"), "%v", err)

	w := must(boxes.Watch(c.ctx, metav1.ListOptions{ResourceVersion: made.GetResourceVersion()}))
	defer w.Stop()
	check(unstructured.SetNestedField(made.Object, int64(7), "status", "size"))
	check(unstructured.SetNestedField(made.Object, int64(9), "spec", "size"))
	reported := must(boxes.UpdateStatus(c.ctx, made, metav1.UpdateOptions{}))
	size, _, _ := unstructured.NestedInt64(reported.Object, "spec", "size")
	expect(size == 3 && reported.GetGeneration() == 1, "status wrote more: %v", reported)
	event := next(w, c)
	expect(event.Type == watch.Modified, "%v", event)

	applied := func(manager, name string, parts ...any) error {
		_, err := boxes.Apply(c.ctx, name, box(kind, name, tree{"size": int64(3), "parts": parts}), metav1.ApplyOptions{FieldManager: manager})
		return err
	}
	check(applied("one", "s", tree{"name": "x", "count": int64(1)}))
	check(applied("two", "s", tree{"name": "y", "count": int64(2)}))
	both := must(boxes.Get(c.ctx, "s", metav1.GetOptions{}))
	parts, _, _ := unstructured.NestedSlice(both.Object, "spec", "parts")
	expect(len(parts) == 2, "%v", parts)
	err = applied("two", "s", tree{"name": "x", "count": int64(5)})
	expect(errors.IsConflict(err), "%v", err)

	// Subresources are found as those of built-in kinds are.
	found := map[string]string{}
	_, lists, err := c.json.Discovery().ServerGroupsAndResources()
	check(err)
	for _, list := range lists {
		for _, one := range list.APIResources {
			if list.GroupVersion == resource.GroupVersion().String() {
				found[one.Name] = one.Kind
			}
		}
	}
	expect(len(found) == 3 && found["boxes/status"] == "Box" && found["boxes/scale"] == "Scale", "%v", found)

	cached := memory.NewMemCacheClient(c.json.Discovery())
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(cached)
	mapping := must(mapper.RESTMapping(kind.GroupKind(), kind.Version))
	expect(mapping.Resource == resource && mapping.Scope.Name() == "namespace", "%v", mapping)
	short, err := restmapper.NewShortcutExpander(mapper, cached, nil).ResourceFor(schema.GroupVersionResource{Resource: "bx"})
	expect(err == nil && short == resource, "%v %v", short, err)
	getter := must(scale.NewForConfig(c.config, mapper, dynamic.LegacyAPIPathResolverFunc, scale.NewDiscoveryScaleKindResolver(c.json.Discovery())))
	read := must(getter.Scales(c.ns).Get(c.ctx, resource.GroupResource(), "a", metav1.GetOptions{}))
	expect(read.Spec.Replicas == 3 && read.Status.Replicas == 7, "%v", read)
	read.Spec.Replicas = 4
	must(getter.Scales(c.ns).Update(c.ctx, resource.GroupResource(), read, metav1.UpdateOptions{}))

	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(c.dynamic, 0, c.ns, nil)
	informer := factory.ForResource(resource)
	informer.Informer()
	factory.Start(c.ctx.Done())
	factory.WaitForCacheSync(c.ctx.Done())
	has := func(name string) bool {
		object, err := informer.Lister().ByNamespace(c.ns).Get(name)
		return err == nil && object.(*unstructured.Unstructured).GetName() == name
	}
	expect(has("a") && has("s"), "the informer has not all")
	must(boxes.Patch(c.ctx, "a", types.MergePatchType, []byte(`{"metadata":{"finalizers":["example.com/held"]}}`), metav1.PatchOptions{}))
	check(boxes.Delete(c.ctx, "a", metav1.DeleteOptions{}))
	held := must(boxes.Get(c.ctx, "a", metav1.GetOptions{}))
	expect(held.GetDeletionTimestamp() != nil, "a finalizer holds it")
	must(boxes.Patch(c.ctx, "a", types.JSONPatchType, []byte(`[{"op":"remove","path":"/metadata/finalizers"}]`), metav1.PatchOptions{}))
	c.eventually("it goes from the informer", func() bool { return !has("a") })
}
