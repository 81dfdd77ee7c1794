package driver

import "unsafe"

// To put a number or a text into an interface costs an allocation each, which is most of what reading
// a row costs. So they are put into small arrays, and interfaces are made that point into these. It is
// the one use of package unsafe here: it relies on an interface being a type and a pointer, which a
// test checks. A value that a program keeps holds the array that it is in, hence its size.
const boxed = 16

type boxes struct {
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

func (b *boxes) number(n int64) (value any) {
	if len(b.numbers) == 0 {
		b.numbers = make([]int64, boxed)
	}
	place := &b.numbers[0]
	b.numbers = b.numbers[1:]
	*place = n
	*(*interfaceWords)(unsafe.Pointer(&value)) = interfaceWords{numberKind, unsafe.Pointer(place)}
	return value
}

func (b *boxes) text(s string) (value any) {
	if len(b.texts) == 0 {
		b.texts = make([]string, boxed)
	}
	place := &b.texts[0]
	b.texts = b.texts[1:]
	*place = s
	*(*interfaceWords)(unsafe.Pointer(&value)) = interfaceWords{textKind, unsafe.Pointer(place)}
	return value
}
