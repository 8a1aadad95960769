// The verbs that all typed clients share.
package main

import (
	"context"

	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type typed[T, L any] interface {
	Create(context.Context, T, metav1.CreateOptions) (T, error)
	Get(context.Context, string, metav1.GetOptions) (T, error)
	List(context.Context, metav1.ListOptions) (L, error)
	Delete(context.Context, string, metav1.DeleteOptions) error
}

// Does one verb on the object, which is called `x`.
func life[T, L any](client typed[T, L], verb string, object T, c *cluster) (any, error) {
	switch verb {
	case "create":
		return client.Create(c.ctx, object, metav1.CreateOptions{})
	case "get":
		return client.Get(c.ctx, "x", metav1.GetOptions{})
	case "list":
		return client.List(c.ctx, metav1.ListOptions{})
	}
	now := int64(0)
	err := client.Delete(c.ctx, "x", metav1.DeleteOptions{GracePeriodSeconds: &now})
	c.eventually("it goes", func() bool {
		_, gone := client.Get(c.ctx, "x", metav1.GetOptions{})
		return errors.IsNotFound(gone)
	})
	return nil, err
}
