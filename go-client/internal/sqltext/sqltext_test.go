package sqltext

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"
)

// vectors is spec/vectors/sql.json, which C++ reads, too.
type vectors struct {
	Cases []struct {
		SQL     string
		Effects []string
		Rows    []bool
	}
	Parameters []struct {
		SQL        string
		Parameters int
		Names      []string
	}
}

func load(t *testing.T) (v vectors) {
	t.Helper()
	text, err := os.ReadFile("../../../spec/vectors/sql.json")
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

var names = [...]string{Read: "read", Write: "write", Begin: "begin", Commit: "commit", Rollback: "rollback",
	Savepoint: "savepoint", Release: "release", RollbackTo: "rollback_to"}

func TestEffects(t *testing.T) {
	for _, c := range load(t).Cases {
		var effects []string
		var rows []bool
		for _, statement := range Parse(c.SQL) {
			effects = append(effects, names[statement.Effect])
			rows = append(rows, statement.YieldsRows)
		}
		if len(effects)+len(c.Effects) > 0 && !reflect.DeepEqual(effects, c.Effects) {
			t.Errorf("%q: %v, want %v", c.SQL, effects, c.Effects)
		}
		if c.Rows != nil && !reflect.DeepEqual(rows, c.Rows) {
			t.Errorf("%q yields rows: %v, want %v", c.SQL, rows, c.Rows)
		}
	}
}

func TestParameters(t *testing.T) {
	for _, c := range load(t).Parameters {
		got := Parse(c.SQL)[0]
		if got.Parameters != c.Parameters || len(got.Names)+len(c.Names) > 0 && !reflect.DeepEqual(got.Names, c.Names) {
			t.Errorf("%q: %d %q, want %d %q", c.SQL, got.Parameters, got.Names, c.Parameters, c.Names)
		}
	}
}

// A statement of the corpus, and what SQLite says of it: see tests/corpus.
type statement struct {
	SQL   string
	Used  int // bytes of it are the first statement
	Reads bool
	Count int // of parameters
}

func TestCorpus(t *testing.T) {
	path := os.Getenv("QUORLITE_CORPUS")
	if path == "" {
		t.Skip("QUORLITE_CORPUS is not set: tests/run corpus makes one")
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	said, cautious := 0, 0
	lines := json.NewDecoder(file)
	for lines.More() {
		var c statement
		if err := lines.Decode(&c); err != nil {
			t.Fatal(err)
		}
		all := Parse(c.SQL)
		if len(all) == 0 || all[0].Parameters != c.Count {
			t.Errorf("%q: %+v, SQLite says %d parameters", c.SQL, all, c.Count)
			continue
		}
		if alone := Parse(c.SQL[:c.Used]); len(alone) != 1 {
			t.Errorf("%q: %d statements, SQLite says one", c.SQL[:c.Used], len(alone))
		}
		if reads := all[0].Effect == Read; reads && !c.Reads {
			t.Errorf("%q is taken for a read, SQLite says that it writes", c.SQL)
		} else if !reads && c.Reads {
			cautious++
		}
		said++
	}
	if said < 10_000 {
		t.Errorf("only %d statements", said)
	}
	t.Logf("%d statements, %d of them taken for more than reads", said, cautious)
}

func TestSavepoints(t *testing.T) {
	for text, want := range map[string]string{
		"SAVEPOINT Abc": "abc", "RELEASE SAVEPOINT \"A b\"": "a b", "ROLLBACK TO SAVEPOINT x": "x",
		"ROLLBACK TRANSACTION TO x": "x", "ROLLBACK": "",
	} {
		if got := Parse(text)[0].Savepoint; got != want {
			t.Errorf("%q: savepoint %q, want %q", text, got, want)
		}
	}
}

// No text makes it panic or go on for ever.
func FuzzParse(f *testing.F) {
	f.Add("CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; END; SELECT ?1, :a")
	f.Add("SELECT 'it''s', \"a\", [b], $c::d(e) -- x\n/* y */; ROLLBACK TO z")
	f.Fuzz(func(t *testing.T, text string) {
		for _, statement := range Parse(text) {
			if statement.Effect == None || len(statement.Names) > statement.Parameters {
				t.Errorf("%q: %+v", text, statement)
			}
		}
	})
}
