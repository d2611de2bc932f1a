package sim

import (
	"fmt"
	"reflect"
	"sync"
	"time"
	"unsafe"
)

// Bounds of what a dispatcher may hold in memory; see internal/deliver.
const (
	mostLanes = 2048
	mostQueue = 64
	mostSlots = 64
)

// tellMemory writes what a dispatcher holds into the story.
func (w *world) tellMemory(p *process) {
	d, unlock := p.memory()
	defer unlock()
	open := func(f reflect.Value) any {
		return reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem().Interface()
	}
	for i := d.FieldByName("endpoints").MapRange(); i.Next(); {
		e := i.Value().Elem()
		text := fmt.Sprintf("%s remembers %v:", p.name, i.Key())
		for f := range e.NumField() {
			name, value := e.Type().Field(f).Name, e.Field(f)
			switch value.Kind() {
			case reflect.Map, reflect.Slice:
				text += fmt.Sprintf(" %s %d", name, value.Len())
			default:
				v := open(value)
				if at, ok := v.(time.Time); ok && !at.IsZero() {
					v = w.at(at)
				}
				text += fmt.Sprintf(" %s %v", name, v)
			}
		}
		w.say("%s", text)
		for l := e.FieldByName("lanes").MapRange(); l.Next(); {
			w.say("    %v: %+v", l.Key(), l.Value().Elem())
		}
	}
}

// memory is a dispatcher's fields, and its lock, held.
func (p *process) memory() (d reflect.Value, unlock func()) {
	d = reflect.ValueOf(p.dispatcher).Elem()
	mu := (*sync.Mutex)(unsafe.Pointer(d.FieldByName("mu").UnsafeAddr()))
	mu.Lock()
	return d, mu.Unlock
}

// bounded looks at what a dispatcher holds.
func (w *world) bounded(p *process, idle bool) {
	before := w.failures()
	defer func() {
		if w.failures() > before {
			w.tellMemory(p)
		}
	}()
	d, unlock := p.memory()
	defer unlock()
	field := func(v reflect.Value, name string) reflect.Value {
		f := v.FieldByName(name)
		if !f.IsValid() {
			panic("sim: the dispatcher's memory looks different now: there is no " + name)
		}
		return f
	}
	endpoints := field(d, "endpoints")
	if idle && (endpoints.Len() > 0 || field(d, "flights").Len() > 0) {
		w.wrong("%s has nothing to do and remembers %d endpoints and requests for %d webhooks", p.name, endpoints.Len(), field(d, "flights").Len())
	}
	for i := endpoints.MapRange(); i.Next(); {
		e := i.Value().Elem()
		lanes := field(e, "lanes")
		if n := lanes.Len(); n > mostLanes || field(e, "ready").Len()+field(e, "resent").Len() > n {
			w.wrong("%s holds %d lanes of one endpoint, %d of them ready", p.name, n, field(e, "ready").Len()+field(e, "resent").Len())
		}
		if n := field(e, "flying").Int(); n > mostSlots || n < 0 {
			w.wrong("%s has %d requests to one endpoint in flight", p.name, n)
		}
		for l := lanes.MapRange(); l.Next(); {
			if n := field(l.Value().Elem(), "queue").Len(); n > mostQueue {
				w.wrong("%s holds %d deliveries of one lane", p.name, n)
			}
		}
	}
}
