package sqltext

import (
	"reflect"
	"testing"
)

func effectsOf(text string) []Effect {
	var effects []Effect
	for _, statement := range Parse(text) {
		effects = append(effects, statement.Effect)
	}
	return effects
}

func TestEffects(t *testing.T) {
	for text, want := range map[string][]Effect{
		"":                                     {},
		" -- nothing\n/* at ; all */ ;; ":      {},
		"SELECT 1":                             {Read},
		"select ';' ; values (1);":             {Read, Read},
		"INSERT INTO t VALUES (?)":             {Write},
		"WITH a AS (SELECT 1) SELECT * FROM a": {Read},
		"WITH a AS (SELECT 1) DELETE FROM t":   {Write},
		"WITH a(v) AS (SELECT 'x') SELECT replace(v, 'x', 'y') FROM a":     {Read},
		"WITH x AS (SELECT 1) -- INSERT comes later\nSELECT * FROM x":      {Read},
		"WITH replace(a) AS NOT MATERIALIZED (SELECT (1)) SELECT a":        {Read},
		"WITH a(x) AS (SELECT 1), b AS (SELECT 2) REPLACE INTO t SELECT 1": {Write},
		"WITH a AS (SELECT 1) /* SELECT */ UPDATE t SET n = 1":             {Write},
		"WITH a AS (SELECT 1) anything else":                               {Write},
		"EXPLAIN QUERY PLAN DELETE FROM t":                                 {Read},
		"PRAGMA foreign_keys":                                              {Read},
		"PRAGMA foreign_keys = 1":                                          {Write},
		"PRAGMA optimize":                                                  {Write},
		"BEGIN IMMEDIATE":                                                  {Begin},
		"COMMIT; END TRANSACTION":                                          {Commit, Commit},
		"ROLLBACK; ROLLBACK TRANSACTION TO x":                              {Rollback, RollbackTo},
		"SAVEPOINT a; RELEASE a":                                           {Savepoint, Release},
		"\ufeffBEGIN; \ufeff\ufeffROLLBACK":                                {Begin, Rollback},
		"BEGIN\ufeff":                                                      {Write},
		"\ufeff":                                                           {},
		"'x'":                                                              {Write},
		"(":                                                                {Write},
		"/* open":                                                          {},
		"SELECT 'it''s; one'; SELECT [a;b], `c;`, \"":                      {Read, Read},
		"CREATE TRIGGER a AFTER INSERT ON t BEGIN UPDATE t SET a = CASE a WHEN 1 THEN 2 END; " +
			"SELECT 1; END; SELECT 1": {Write, Read},
		"CREATE TEMP TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; END": {Write},
		"CREATE TRIGGER a AFTER INSERT ON t BEGIN UPDATE t SET a = end; DELETE FROM u; END; SELECT 1": {
			Write, Read},
		"CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT \"end\"; SELECT 1; /* END; */ END ; SELECT 1": {
			Write, Read},
		"EXPLAIN CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1;; END; SELECT 1": {Read, Read},
		"CREATE TABLE trigger(a); SELECT 1":                                         {Write, Read},
		"CREATE TABLE trigger_x (a)":                                                {Write},
	} {
		if got := effectsOf(text); len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestParameters(t *testing.T) {
	for text, want := range map[string]Statement{
		"SELECT ?, ?":                          {Parameters: 2},
		"SELECT ?5, ?":                         {Parameters: 6},
		"SELECT ?2, ?1":                        {Parameters: 2},
		"SELECT :a, :b, :a":                    {Parameters: 2, Names: []string{":a", ":b"}},
		"SELECT ?, @a, $b":                     {Parameters: 3, Names: []string{"", "@a", "$b"}},
		"SELECT :a, @a, ?99999999999999999999": {Parameters: 250001, Names: []string{":a", "@a"}},
		"SELECT ?32768":                        {Parameters: 32768},
		"SELECT ?250000":                       {Parameters: 250000},
		"SELECT ':a', \"?\", [?]":              {},
		"SELECT a$b -- ?":                      {},
		"SELECT $a::b(c), :":                   {Parameters: 1, Names: []string{"$a::b(c)"}},
	} {
		got := Parse(text)[0]
		if got.Parameters != want.Parameters || !reflect.DeepEqual(got.Names, want.Names) {
			t.Errorf("%q: %d %v, want %d %v", text, got.Parameters, got.Names, want.Parameters,
				want.Names)
		}
	}
}

func TestRowsAndSavepoints(t *testing.T) {
	for text, want := range map[string]bool{
		"SELECT 1": true, "PRAGMA a = 1": true, "INSERT INTO t VALUES (1) RETURNING a": true,
		"INSERT INTO t VALUES ('returning')": false, "BEGIN": false,
	} {
		if got := Parse(text)[0].YieldsRows; got != want {
			t.Errorf("%q yields rows: %v", text, got)
		}
	}
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
