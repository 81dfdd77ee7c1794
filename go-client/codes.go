package quorlite

// Made by spec/generate.py from spec/errors.json: change it there.

// Result codes that programs ask for. Every code that is not listed is one of SQLite's.
const (
	CodeError             = 1
	CodeBusy              = 5
	CodeNoMemory          = 7
	CodeReadOnly          = 8
	CodeInterrupted       = 9
	CodeIO                = 10
	CodeCorrupt           = 11
	CodeNotFound          = 12
	CodeFull              = 13
	CodeCannotOpen        = 14
	CodeProtocol          = 15
	CodeTooBig            = 18
	CodeConstraint        = 19
	CodeMismatch          = 20
	CodeMisuse            = 21
	CodeRolledBack        = 516
	CodeBusySnapshot      = 517
	CodeForeignKey        = 787
	CodeNoDatabase        = 1002
	CodeParse             = 1005
	CodeNotNull           = 1299
	CodePrimaryKey        = 1555
	CodeUnique            = 2067
	CodeNotLeaderOld      = 8202
	CodeLeadershipLostOld = 8458
	CodeNotLeader         = 10250
	CodeLeadershipLost    = 10506
)
