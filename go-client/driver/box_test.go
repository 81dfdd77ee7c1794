package driver

import (
	"fmt"
	"reflect"
	"runtime"
	"testing"
)

func TestBoxedValuesAreOrdinaryOnes(t *testing.T) {
	var b boxes
	var got, want []any
	for i := int64(0); i < 1000; i++ {
		got = append(got, b.number(i), b.text(fmt.Sprint("text ", i)))
		want = append(want, i, fmt.Sprint("text ", i))
		if i%100 == 0 {
			runtime.GC()
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Error("what was boxed is not what comes out")
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%v is not %v", got[i], want[i])
		}
	}
}

func TestBoxingIsCheap(t *testing.T) {
	var b boxes
	var kept any
	each := testing.AllocsPerRun(1000, func() { kept = b.number(1 << 40); kept = b.text("text") })
	if each > 0.5 || kept != "text" {
		t.Errorf("%.2f allocations for two values", each)
	}
}
