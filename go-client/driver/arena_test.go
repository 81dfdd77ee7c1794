package driver

import (
	"fmt"
	"reflect"
	"runtime"
	"testing"
)

func TestValuesOfTheArenaAreOrdinaryOnes(t *testing.T) {
	var a arena
	var got, want []any
	for i := int64(0); i < 1000; i++ {
		got = append(got, a.number(i), a.text(fmt.Sprint("text ", i)))
		want = append(want, i, fmt.Sprint("text ", i))
		if i%100 == 0 {
			runtime.GC()
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Error("what went in is not what comes out")
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%v is not %v", got[i], want[i])
		}
	}
}

func TestTheArenaIsCheap(t *testing.T) {
	var a arena
	var kept any
	each := testing.AllocsPerRun(1000, func() { kept = a.number(1 << 40); kept = a.text("text") })
	if each > 0.5 || kept != "text" {
		t.Errorf("%.2f allocations for two values", each)
	}
}
