package rules

// Made by spec/generate.py from spec/errors.json: change it there.

// meaning is what a failure means for the work.
type meaning uint8

const (
	// The statement was refused and changed nothing.
	refused meaning = iota
	// A constraint is broken. Only the server knows whether the transaction survived.
	conflict
	// The statement failed, and SQLite may have rolled its transaction back.
	endsTransaction
	// It failed, and may succeed a little later.
	passing
	// Another transaction is in the way.
	busy
	// A transaction that has read wants to write, and others have written since.
	stale
	// The server has rolled the transaction back, and carries nothing of it out.
	rolledBack
	// This node does not lead, or no longer knows the client. Nothing was proposed.
	notProposed
	// What dqlite says when it has no better word, a node that shuts down included.
	unexplained
	// It was proposed, and nobody here knows what became of it.
	unknown
)

// failureRow is a code that means something else than its primary code, or does so with this text
// only.
type failureRow struct {
	code    uint64
	ifText  string
	meaning meaning
}

var failureRows = [...]failureRow{
	{1, "leadership transfer failed", passing},
	{5, "", busy},
	{7, "", endsTransaction},
	{9, "", endsTransaction},
	{10, "", endsTransaction},
	{10, "leader exec failed", unexplained},
	{11, "", endsTransaction},
	{12, "no database opened", notProposed},
	{12, "no statement with the given id", notProposed},
	{13, "", endsTransaction},
	{19, "", conflict},
	{516, "", rolledBack},
	{517, "", stale},
	{8202, "", notProposed},
	{8458, "", unknown},
	{10250, "", notProposed},
	{10506, "", unknown},
}
