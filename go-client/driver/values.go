package driver

import (
	"database/sql/driver"
	"fmt"
	"time"

	quorlite "github.com/quorlite/quorlite/go-client"
	"github.com/quorlite/quorlite/go-client/wire"
)

// How times are bound: in UTC, so that they are in order as texts.
const timeLayout = "2006-01-02 15:04:05.999999999-07:00"

// How times are read.
var timeLayouts = [...]string{
	timeLayout,
	"2006-01-02T15:04:05.999999999-07:00",
	"2006-01-02T15:04:05.999999999Z",
	"2006-01-02 15:04:05.999999999Z",
	"2006-01-02 15:04:05.999999999",
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04",
	"2006-01-02T15:04",
	"2006-01-02",
}

func usage(format string, arguments ...any) *quorlite.Error {
	return &quorlite.Error{Kind: quorlite.Usage, ExtendedCode: quorlite.CodeMisuse,
		Message: fmt.Sprintf(format, arguments...)}
}

func toWire(value driver.Value) (wire.Value, error) {
	switch v := value.(type) {
	case nil:
		return wire.NullValue(), nil
	case int64:
		return wire.IntegerValue(v), nil
	case float64:
		return wire.FloatValue(v), nil
	case bool:
		return wire.BooleanValue(v), nil
	case string:
		return wire.TextValue(v), nil
	case []byte:
		if v == nil {
			return wire.NullValue(), nil
		}
		return wire.BlobValue(v), nil
	case time.Time:
		return wire.ISO8601Value(v.UTC().Format(timeLayout)), nil
	}
	return wire.Value{}, usage("a value of type %T cannot be bound", value)
}

// fromWire: a text in a time column that is no time stays a text.
func (a *arena) fromWire(v wire.Value) driver.Value {
	switch v.Type {
	case wire.Integer:
		return a.number(v.Int())
	case wire.Float:
		return v.Float()
	case wire.Text:
		return a.text(v.Text)
	case wire.Blob:
		return v.Blob
	case wire.UnixTime:
		return time.Unix(v.Int(), 0).UTC()
	case wire.Boolean:
		return v.Int() != 0
	case wire.ISO8601:
		if v.Text == "" && a.tellsNull {
			return ""
		}
		return parseTime(v.Text)
	}
	return nil
}

func parseTime(text string) driver.Value {
	if text == "" {
		return nil
	}
	for _, layout := range timeLayouts {
		if t, err := time.ParseInLocation(layout, text, time.UTC); err == nil {
			return t
		}
	}
	return text
}

// bind gives the arguments in the order of the parameters, until unbind. The memory is used again.
func (c *conn) bind(t *text, arguments []driver.NamedValue) ([]wire.Value, error) {
	values, err := bind(c.values[:0], t, arguments)
	if err == nil && values != nil {
		c.values = values
	}
	return values, err
}

// unbind lets go of what the caller's values hold: a connection may be idle for long.
func (c *conn) unbind() {
	for i := range c.values {
		c.values[i] = wire.Value{}
	}
}

// bind puts the arguments into the order of the parameters, and appends them to `into`. No parameter
// at all gives nil.
func bind(into []wire.Value, t *text, arguments []driver.NamedValue) ([]wire.Value, error) {
	named := false
	for i := range arguments {
		named = named || arguments[i].Name != ""
	}
	if !named && len(arguments) != t.parameters {
		return nil, usage("the statement has %d parameters, %d values are given", t.parameters,
			len(arguments))
	}
	if t.parameters == 0 && len(arguments) == 0 {
		return nil, nil
	}
	if named {
		return bindNamed(into, t, arguments)
	}
	for i := range arguments {
		v, err := toWire(arguments[i].Value)
		if err != nil {
			return nil, err
		}
		into = append(into, v)
	}
	return into, nil
}

func bindNamed(into []wire.Value, t *text, arguments []driver.NamedValue) ([]wire.Value, error) {
	used := make([]bool, len(arguments))
	for _, statement := range t.statements {
		for i := 0; i < statement.Parameters; i++ {
			name := ""
			if i < len(statement.Names) && statement.Names[i] != "" {
				name = statement.Names[i][1:] // without its sign
			}
			at := argumentFor(arguments, name, i+1)
			if at < 0 {
				return nil, usage("no value is given for parameter %d (%q)", i+1, name)
			}
			used[at] = true
			v, err := toWire(arguments[at].Value)
			if err != nil {
				return nil, err
			}
			into = append(into, v)
		}
	}
	for i := range used {
		if !used[i] {
			return nil, usage("the statement has no parameter for value %d (%q)", i+1,
				arguments[i].Name)
		}
	}
	return into, nil
}

func argumentFor(arguments []driver.NamedValue, name string, ordinal int) int {
	for i := range arguments {
		if name != "" && arguments[i].Name == name {
			return i
		}
	}
	for i := range arguments {
		if arguments[i].Name == "" && arguments[i].Ordinal == ordinal {
			return i
		}
	}
	return -1
}
