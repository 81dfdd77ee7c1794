package wire

import (
	"encoding/hex"
	"reflect"
	"testing"
)

// The contract of every target: no panic for any input, and what was read can be written and read
// again with the same meaning.

func seed(f *testing.F, dir string) {
	messages(f, func(_ string, c captured) {
		if message, err := hex.DecodeString(c.Hex); err == nil && c.Dir == dir && len(message) < 2048 {
			f.Add(message)
		}
	})
}

func FuzzRequest(f *testing.F) {
	seed(f, "c2s")
	f.Fuzz(func(t *testing.T, message []byte) {
		if len(message) < HeaderBytes {
			return
		}
		h, body := split(message)
		request, err := DecodeRequest(h, body)
		if err != nil {
			return
		}
		written, err := AppendRequest(nil, request)
		if err != nil {
			t.Fatalf("%+v: %v", request, err)
		}
		h, body = split(written)
		again, err := DecodeRequest(h, body)
		if err != nil || plain(again) != plain(request) {
			t.Fatalf("read %+v\nthen %+v, %v", request, again, err)
		}
	})
}

func FuzzResponse(f *testing.F) {
	seed(f, "s2c")
	f.Fuzz(func(t *testing.T, message []byte) {
		if len(message) < HeaderBytes {
			return
		}
		h, body := split(message)
		for _, asked := range []Asked{{}, {ClusterFormat: 1}, {Legacy: true}} {
			response, err := DecodeResponse(h, body, asked)
			if err != nil {
				continue
			}
			if _, isFiles := response.(Files); isFiles {
				continue // a size that is not whole words is read, but not written
			}
			written, err := AppendResponse(nil, response)
			if err != nil {
				t.Fatalf("%+v: %v", response, err)
			}
			h, body := split(written)
			again, err := DecodeResponse(h, body, asked)
			if err != nil || plain(again) != plain(response) {
				t.Fatalf("read %+v\nthen %+v, %v", response, again, err)
			}
		}
	})
}

func FuzzRows(f *testing.F) {
	seed(f, "s2c")
	f.Fuzz(func(t *testing.T, body []byte) {
		var reader RowReader
		for pass := 0; pass < 2; pass++ { // the second finds the names of the first
			if reader.Reset(body) != nil {
				return
			}
			var counts [2]int
			for i := range counts {
				row := make([]Value, len(reader.Columns))
				for {
					more, err := reader.Next(row)
					if err != nil || !more {
						break
					}
					counts[i]++
				}
				reader.Rewind()
			}
			if !reflect.DeepEqual(counts[0], counts[1]) {
				t.Fatalf("%d rows, then %d", counts[0], counts[1])
			}
		}
	})
}
