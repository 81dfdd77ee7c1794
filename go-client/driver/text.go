package driver

import (
	"container/list"

	"github.com/quorlite/quorlite/go-client/internal/sqltext"
	"github.com/quorlite/quorlite/go-client/wire"
)

const (
	// Texts that are remembered, so that one that comes again is prepared.
	textsRemembered = 256
	// A longer text is parsed each time, and never prepared: remembering it would cost too much.
	textBytesMax = 16 << 10
)

// text is a text of SQL as one connection knows it.
type text struct {
	sql        string
	statements []sqltext.Statement
	effect     sqltext.Effect
	parameters int
	uses       int
	prepared   bool // on the node, as `id`
	id         uint32
}

func newText(sql string) *text {
	t := &text{sql: sql, statements: sqltext.Parse(sql), effect: sqltext.None}
	for _, statement := range t.statements {
		t.parameters += statement.Parameters
		switch {
		case len(t.statements) == 1 || t.effect == sqltext.None:
			t.effect = statement.Effect
		case statement.Effect != sqltext.Read:
			t.effect = sqltext.Write
		}
	}
	if t.several() && t.effect.Controls() {
		t.effect = sqltext.Write
	}
	if t.several() && t.mayCommit() {
		t.effect = sqltext.Commit
	}
	return t
}

// mayCommit tells whether any of the statements may end a transaction that was open before.
func (t *text) mayCommit() bool {
	for _, statement := range t.statements {
		if statement.Effect == sqltext.Commit || statement.Effect == sqltext.Release {
			return true
		}
	}
	return false
}

func (t *text) several() bool { return len(t.statements) > 1 }

func (t *text) yieldsRows() bool { return len(t.statements) == 1 && t.statements[0].YieldsRows }

// controls tells whether any of the statements begins or ends a transaction.
func (t *text) controls() bool {
	for _, statement := range t.statements {
		if statement.Effect.Controls() {
			return true
		}
	}
	return false
}

// mayPrepare: control statements are short, and one text has one handle only.
func (t *text) mayPrepare() bool {
	return len(t.statements) == 1 && !t.effect.Controls() && len(t.sql) <= textBytesMax
}

// request executes the text, by its handle if the node has prepared it.
func (t *text) request(values []wire.Value, rows bool) wire.Request {
	schema := wire.ParameterSchema(len(values))
	switch {
	case t.prepared && rows:
		return wire.Query{Schema: schema, Stmt: t.id, Parameters: values}
	case t.prepared:
		return wire.Exec{Schema: schema, Stmt: t.id, Parameters: values}
	case rows:
		return wire.QuerySQL{Schema: schema, SQL: t.sql, Parameters: values}
	}
	return wire.ExecSQL{Schema: schema, SQL: t.sql, Parameters: values}
}

// texts is what a connection remembers of the texts that it was given, the last used in front.
type texts struct {
	byText      map[string]*list.Element
	order       list.List
	prepared    int
	preparedMax int
	dropped     []uint32 // ids that the node may forget
}

func newTexts(preparedMax int) *texts {
	return &texts{byText: map[string]*list.Element{}, preparedMax: preparedMax}
}

func (all *texts) get(sql string) *text {
	if element, known := all.byText[sql]; known {
		all.order.MoveToFront(element)
		return element.Value.(*text)
	}
	t := newText(sql)
	if len(sql) > textBytesMax || all.preparedMax <= 0 {
		return t
	}
	if all.order.Len() >= textsRemembered {
		oldest := all.order.Remove(all.order.Back()).(*text)
		delete(all.byText, oldest.sql)
		all.drop(oldest)
	}
	all.byText[sql] = all.order.PushFront(t)
	return t
}

func (all *texts) drop(t *text) {
	if t.prepared {
		t.prepared = false
		all.prepared--
		all.dropped = append(all.dropped, t.id)
	}
}

// keep notes that the node has prepared the text, and makes room for it.
func (all *texts) keep(t *text, id uint32) {
	for element := all.order.Back(); all.prepared >= all.preparedMax && element != nil; {
		all.drop(element.Value.(*text))
		element = element.Prev()
	}
	t.prepared, t.id = true, id
	all.prepared++
}

// forget: the handles died with their session.
func (all *texts) forget() {
	for element := all.order.Front(); element != nil; element = element.Next() {
		element.Value.(*text).prepared = false
	}
	all.prepared, all.dropped = 0, nil
}
