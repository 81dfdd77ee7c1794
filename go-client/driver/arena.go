package driver

import "unsafe"

// To put a number or a text into an interface costs an allocation each, which is most of what reading
// a row costs. So they are put into small arrays, and interfaces are made that point into these. It is
// the one use of package unsafe here: it relies on an interface being a type and a pointer, which a
// test checks. A value that a program keeps holds the array that it is in, hence its size.
const arenaSize = 16

// arena is where the interfaces of a row point.
type arena struct {
	numbers   []int64
	texts     []string
	tellsNull bool // see client.Conn
}

type interfaceWords struct{ kind, data unsafe.Pointer }

var (
	someNumber any = int64(1 << 40)
	someText   any = "text"
	numberKind     = (*interfaceWords)(unsafe.Pointer(&someNumber)).kind
	textKind       = (*interfaceWords)(unsafe.Pointer(&someText)).kind
)

func (a *arena) number(n int64) (value any) {
	if len(a.numbers) == 0 {
		a.numbers = make([]int64, arenaSize)
	}
	place := &a.numbers[0]
	a.numbers = a.numbers[1:]
	*place = n
	*(*interfaceWords)(unsafe.Pointer(&value)) = interfaceWords{numberKind, unsafe.Pointer(place)}
	return value
}

func (a *arena) text(s string) (value any) {
	if len(a.texts) == 0 {
		a.texts = make([]string, arenaSize)
	}
	place := &a.texts[0]
	a.texts = a.texts[1:]
	*place = s
	*(*interfaceWords)(unsafe.Pointer(&value)) = interfaceWords{textKind, unsafe.Pointer(place)}
	return value
}
