// Package web is what the rooms that speak HTTP share: who asks, how often they
// may, and pages that stay true while they are looked at.
package web
