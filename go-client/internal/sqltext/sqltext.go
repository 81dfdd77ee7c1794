// Package sqltext tells what a driver must know of a text of SQL without understanding it: where its
// statements end, what each may do (so that repeating it is right or wrong), and which number each of
// its parameters has.
//
// The text is split into tokens as SQLite does; the rest is left to the server. What is not known to
// be harmless counts as a write.
package sqltext

import (
	"strconv"
	"strings"

	"github.com/quorlite/quorlite/go-client/wire"
)

// Effect is what a statement may do.
type Effect uint8

const (
	None Effect = iota // no statement at all: blanks and comments
	Read
	Write
	Begin
	Commit
	Rollback
	Savepoint
	Release
	RollbackTo
)

// Controls tells whether the statement begins or ends a transaction, or a part of one.
func (e Effect) Controls() bool { return e >= Begin }

// Statement is one statement of a text.
type Statement struct {
	Effect     Effect
	YieldsRows bool // as far as its words tell; if not, it is to be executed
	Sets       bool // a PRAGMA with a value: it may yield rows or not
	Parameters int
	Names      []string // of the parameters, with their sign; empty for one without a name
	Savepoint  string   // that SAVEPOINT, RELEASE and ROLLBACK TO name, in lower case
}

// Parse splits a text into its statements. What has no statement in it is left out.
func Parse(text string) []Statement {
	var statements []Statement
	tokens := tokens{text: text}
	for {
		statement, more := next(&tokens)
		if statement.Effect != None {
			statements = append(statements, statement)
		}
		if !more {
			return statements
		}
	}
}

func next(tokens *tokens) (Statement, bool) {
	parser := parser{}
	for {
		switch kind, token := tokens.next(); kind {
		case end:
			return parser.finish(), false
		case semicolon:
			if parser.trigger.semicolon() {
				return parser.finish(), true
			}
		case word:
			parser.word(strings.ToLower(token))
		case quoted:
			parser.quoted(token)
		case parameter:
			parser.parameter(token)
		case other:
			parser.other(token)
		}
	}
}

// parser follows one statement token by token.
type parser struct {
	out       Statement
	words     int
	first     string
	depth     int  // of parentheses
	closed    bool // the last token was one that closes
	over      bool // the tables of WITH
	pragma    string
	valued    bool // the pragma has a value; of others it says nothing
	returning bool
	trigger   triggerEnd
}

// triggerEnd finds where CREATE [TEMP] TRIGGER ends: at "; END;", as sqlite3_complete() has it, since
// "end" is also how CASE ends, and the name of a column may be.
type triggerEnd uint8

const (
	atStart triggerEnd = iota
	ordinary
	afterCreate
	inTrigger
	afterSemicolon
	afterEnd
)

func (t *triggerEnd) word(w string) {
	switch {
	case *t == atStart && w == "explain", *t == afterCreate && (w == "temp" || w == "temporary"):
	case *t == atStart && w == "create":
		*t = afterCreate
	case *t == afterCreate && w == "trigger":
		*t = inTrigger
	case *t == afterSemicolon && w == "end":
		*t = afterEnd
	default:
		t.other()
	}
}

func (t *triggerEnd) other() {
	switch *t {
	case atStart, afterCreate:
		*t = ordinary
	case afterSemicolon, afterEnd:
		*t = inTrigger
	}
}

// semicolon tells whether it ends the statement.
func (t *triggerEnd) semicolon() bool {
	if *t != inTrigger && *t != afterSemicolon {
		return true
	}
	*t = afterSemicolon
	return false
}

var effects = map[string]Effect{
	"with": Read, "explain": Read, "begin": Begin, "commit": Commit, "end": Commit, "rollback": Rollback,
	"savepoint": Savepoint, "release": Release,
}

func set(words ...string) map[string]bool {
	set := make(map[string]bool, len(words))
	for _, word := range words {
		set[word] = true
	}
	return set
}

func (p *parser) word(w string) {
	if p.words++; p.words == 1 && p.out.Effect == None {
		p.first = w
		p.out.Effect = Write
		if effect, known := effects[w]; known {
			p.out.Effect = effect
		} else if readingVerbs[w] {
			p.out.Effect = Read
		}
	}
	// Behind the parenthesis that ends the last table of WITH comes the statement itself.
	if p.first == "with" && p.depth == 0 && p.closed && !p.over && w != "as" {
		p.over = true
		if w != "select" && w != "values" {
			p.out.Effect = Write
		}
	}
	p.closed = false
	p.returning = p.returning || w == "returning"
	if p.first == "explain" && p.words < 5 && w == "pragma" {
		p.out.Effect = Write
	}
	p.namePragma(w)
	p.trigger.word(w)
	p.followSavepoint(w)
}

// namePragma: what stands before the value is the pragma's name, or its schema's.
func (p *parser) namePragma(name string) {
	if p.first == "pragma" && !p.valued {
		p.pragma = name
	}
}

// followSavepoint reads SAVEPOINT name, RELEASE [SAVEPOINT] name and
// ROLLBACK [TRANSACTION] TO [SAVEPOINT] name.
func (p *parser) followSavepoint(w string) {
	if p.out.Effect == Rollback && w == "to" {
		p.out.Effect = RollbackTo
	} else if p.words > 1 && p.namesSavepoint() && w != "savepoint" {
		p.out.Savepoint = w
	}
}

func (p *parser) namesSavepoint() bool {
	return p.out.Effect == Savepoint || p.out.Effect == Release || p.out.Effect == RollbackTo
}

func (p *parser) quoted(token string) {
	p.trigger.other()
	p.closed = false
	if p.out.Effect == None {
		p.out.Effect = Write
	}
	p.namePragma(token)
	if p.namesSavepoint() && len(token) > 1 {
		p.out.Savepoint = strings.ToLower(token[1 : len(token)-1])
	}
}

// A number beyond the nodes' limit is left to them to refuse.
func (p *parser) parameter(token string) {
	p.trigger.other()
	index := p.out.Parameters + 1
	if token[0] == '?' && len(token) > 1 {
		if n, err := strconv.Atoi(token[1:]); err == nil && n <= wire.ParametersMax {
			index = n
		} else {
			index = wire.ParametersMax + 1
		}
	} else if token[0] != '?' {
		for _, known := range p.out.Names {
			if known == token {
				return
			}
		}
		for len(p.out.Names) < p.out.Parameters {
			p.out.Names = append(p.out.Names, "")
		}
		p.out.Names = append(p.out.Names, token)
	}
	if index > p.out.Parameters {
		p.out.Parameters = index
	}
}

func (p *parser) other(token string) {
	if p.out.Effect == None {
		p.out.Effect = Write
	}
	p.trigger.other()
	p.closed = token == ")"
	switch token {
	case "(":
		p.depth++
	case ")":
		p.depth--
	}
	p.valued = p.valued || token == "=" || token == "("
}

func (p *parser) finish() Statement {
	if p.first == "pragma" {
		reads := readingPragmas
		if p.valued {
			reads = readingPragmasOfSomething
		}
		if reads[p.pragma] {
			p.out.Effect = Read
		}
		p.out.Sets = p.valued && p.out.Effect == Write
	}
	p.out.YieldsRows = p.out.Effect == Read || p.first == "pragma" || p.first == "explain" || p.returning
	return p.out
}

type tokenKind uint8

const (
	end tokenKind = iota
	word
	quoted
	semicolon
	parameter
	other
)

type tokens struct {
	text string
	at   int
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) || c == '_' || c == '$' ||
		c >= 0x80
}

// run is the length of what belongs together from `from` on.
func (t *tokens) run(from int, belongs func(byte) bool) int {
	to := from
	for to < len(t.text) && belongs(t.text[to]) {
		to++
	}
	return to - from
}

func (t *tokens) take(kind tokenKind, size int) (tokenKind, string) {
	start := t.at
	if t.at += size; t.at > len(t.text) {
		t.at = len(t.text)
	}
	return kind, t.text[start:t.at]
}

func (t *tokens) next() (tokenKind, string) {
	t.skipBlanks()
	if t.at >= len(t.text) {
		return end, ""
	}
	switch c := t.text[t.at]; {
	case c == ';':
		return t.take(semicolon, 1)
	case c == '\'' || c == '"' || c == '`':
		return t.take(quoted, t.quotedSize(c))
	case c == '[':
		return t.take(quoted, t.sizeUntil("]", 1))
	case c == '?':
		return t.take(parameter, 1+t.run(t.at+1, isDigit))
	case c == ':' || c == '@' || c == '#' || c == '$':
		if size := t.variableSize(); size > 0 {
			return t.take(parameter, size)
		}
		return t.take(other, 1)
	case isWord(c):
		return t.take(word, t.run(t.at, isWord))
	}
	return t.take(other, 1)
}

// variableSize is the size of :name, @name, #name or $name, with "::" anywhere, and a parenthesis
// without blanks at the end, as in Tcl; 0 if there is no name.
func (t *tokens) variableSize() int {
	to, letters := t.at+1, 0
	for to < len(t.text) {
		if isWord(t.text[to]) {
			to, letters = to+1, letters+1
		} else if strings.HasPrefix(t.text[to:], "::") {
			to += 2
		} else {
			break
		}
	}
	if letters == 0 {
		return 0
	}
	if strings.HasPrefix(t.text[to:], "(") {
		closing := strings.IndexAny(t.text[to:], ") \t\n\v\f\r")
		if closing >= 0 && t.text[to+closing] == ')' {
			to += closing + 1
		}
	}
	return to - t.at
}

// quotedSize: a quote that is doubled stands for itself.
func (t *tokens) quotedSize(quote byte) int {
	for to := t.at + 1; to < len(t.text); to++ {
		if t.text[to] != quote {
			continue
		}
		if to+1 < len(t.text) && t.text[to+1] == quote {
			to++
			continue
		}
		return to + 1 - t.at
	}
	return len(t.text) - t.at
}

// sizeUntil is the size up to and with `closing`, or of all that is left.
func (t *tokens) sizeUntil(closing string, skip int) int {
	if t.at+skip >= len(t.text) {
		return len(t.text) - t.at
	}
	at := strings.Index(t.text[t.at+skip:], closing)
	if at < 0 {
		return len(t.text) - t.at
	}
	return skip + at + len(closing)
}

const byteOrderMark = "\xef\xbb\xbf" // a blank, for SQLite

func (t *tokens) skipBlanks() {
	for t.at < len(t.text) {
		rest := t.text[t.at:]
		switch c := rest[0]; {
		case c == ' ' || c >= '\t' && c <= '\r':
			t.at++
		case strings.HasPrefix(rest, byteOrderMark):
			t.at += len(byteOrderMark)
		case strings.HasPrefix(rest, "--"):
			t.at += t.sizeUntil("\n", 0)
		case strings.HasPrefix(rest, "/*"):
			t.at += t.sizeUntil("*/", 2)
		default:
			return
		}
	}
}
