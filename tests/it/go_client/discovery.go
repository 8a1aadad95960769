// What the server says it serves, and what clients make of it.
package main

import (
	"encoding/json"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/restmapper"
)

func discoveries(c *cluster) {
	client := c.json.Discovery()
	version := must(client.ServerVersion())
	expect(version.Major == "1" && strings.HasPrefix(version.GitVersion, "v1."), "%v", version)
	groups, lists, err := client.ServerGroupsAndResources()
	check(err)
	expect(len(groups) >= 20 && len(lists) >= 20, "%d groups, %d lists", len(groups), len(lists))
	// The aggregated document and those of each group say the same.
	plain := discovery.NewDiscoveryClientForConfigOrDie(c.config)
	plain.UseLegacyDiscovery = true
	_, old, err := plain.ServerGroupsAndResources()
	check(err)
	names := func(lists []*metav1.APIResourceList) map[string]string {
		all := map[string]string{}
		for _, list := range lists {
			for _, resource := range list.APIResources {
				// Of a subresource, client-go makes this up from the aggregated document.
				if strings.Contains(resource.Name, "/") {
					resource.SingularName = ""
				}
				text := must(json.Marshal([]any{resource.Kind, resource.Namespaced, resource.SingularName, resource.Verbs, resource.ShortNames, resource.Categories}))
				all[list.GroupVersion+"/"+resource.Name] = string(text)
			}
		}
		return all
	}
	one, other := names(lists), names(old)
	for name, what := range one {
		expect(other[name] == what, "%s: aggregated %s, but %s", name, what, other[name])
	}
	for name := range other {
		expect(one[name] != "", "%s is not in the aggregated document", name)
	}
	preferred := must(client.ServerPreferredNamespacedResources())
	expect(len(preferred) >= 8, "%v", preferred)
	deletable := discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "watch", "delete"}}, preferred)
	expect(len(deletable) >= 8, "%v", deletable)

	mapper := restmapper.NewDiscoveryRESTMapper(must(restmapper.GetAPIGroupResources(client)))
	for kind, resource := range map[schema.GroupKind]string{
		{Kind: "Pod"}: "/v1, Resource=pods", {Group: "apps", Kind: "Deployment"}: "apps/v1, Resource=deployments",
		{Group: "networking.k8s.io", Kind: "Ingress"}:           "networking.k8s.io/v1, Resource=ingresses",
		{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}: "autoscaling/v2, Resource=horizontalpodautoscalers",
	} {
		mapping := must(mapper.RESTMapping(kind))
		expect(mapping.Resource.String() == resource, "%v is %v", kind, mapping.Resource)
	}
	expanded, has := restmapper.NewDiscoveryCategoryExpander(client).Expand("all")
	expect(has && len(expanded) >= 9, "%v", expanded)
	must(restmapper.NewShortcutExpander(mapper, client, nil).KindFor(schema.GroupVersionResource{Resource: "deploy"}))
}

func openapis(c *cluster) {
	// Version 2 comes as protobuf.
	document := must(c.json.Discovery().OpenAPISchema())
	has := map[string]bool{}
	for _, definition := range document.GetDefinitions().GetAdditionalProperties() {
		has[definition.GetName()] = true
	}
	expect(has["io.k8s.api.core.v1.Pod"] && has["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"], "of %d definitions", len(has))
	paths := must(c.json.Discovery().OpenAPIV3().Paths())
	for _, path := range []string{"api/v1", "apis/apps/v1", "apis/apiextensions.k8s.io/v1"} {
		group, is := paths[path]
		expect(is, "no %s", path)
		text := must(group.Schema("application/json"))
		expect(json.Valid(text) && len(text) > 10000, "%s is short", path)
	}
}
