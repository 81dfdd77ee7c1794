package driver

import (
	"context"
	"database/sql/driver"
	"testing"
	"time"

	"github.com/quorlite/quorlite/go-client/client"
	"github.com/quorlite/quorlite/go-client/internal/fake"
	"github.com/quorlite/quorlite/go-client/wire"
)

// An idle connection does not keep the large values of its last statement.
func TestValuesAreLetGo(t *testing.T) {
	ctx := context.Background()
	config := Config{Config: client.Config{Dial: fake.New(0, 0).Dial}}
	opened, err := NewConnector(client.NewListStore(fake.Address), "db", config).Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	c := opened.(*conn)
	bound := []driver.NamedValue{{Ordinal: 1, Value: []byte("large")}}
	if _, err := c.ExecContext(ctx, "UPDATE t SET a = ?", bound); err != nil {
		t.Fatal(err)
	}
	if len(c.values) != 1 || c.values[0].Blob != nil {
		t.Errorf("it keeps %v", c.values)
	}
}

func TestTimesAreRead(t *testing.T) {
	want := time.Date(2024, 2, 3, 4, 5, 0, 0, time.UTC)
	for _, text := range []string{"2024-02-03 04:05:00+00:00", "2024-02-03T04:05:00Z", "2024-02-03 05:05:00+01:00",
		"2024-02-03 04:05:00", "2024-02-03T04:05"} {
		if got, ok := parseTime(text).(time.Time); !ok || !got.Equal(want) {
			t.Errorf("%q is read as %v", text, got)
		}
	}
	var a arena
	if got := a.fromWire(wire.ISO8601Value("yesterday")); got != "yesterday" {
		t.Errorf("a text that is no time is read as %v", got)
	}
	if got := a.fromWire(wire.ISO8601Value("")); got != nil {
		t.Errorf("NULL in a column of times is read as %v", got)
	}
	a.tellsNull = true
	if got := a.fromWire(wire.ISO8601Value("")); got != "" {
		t.Errorf("an empty text in a column of times is read as %v", got)
	}
}
