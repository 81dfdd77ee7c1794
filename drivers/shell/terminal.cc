#include "drivers/shell/terminal.h"

#include <histedit.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <cwchar>
#include <utility>

#include "drivers/shell/interrupt.h"
#include "drivers/shell/limits.h"
#include "drivers/shell/text.h"

namespace quorlite::shell {
namespace {

std::string history_path() {
    if (const char* const chosen = std::getenv("QUORLITE_HISTORY")) return chosen;
    const char* const home = std::getenv("HOME");
    return home ? std::string(home) + "/.quorlite_history" : std::string();
}

class Terminal : public LineSource {
public:
    explicit Terminal(std::function<Names()> names)
        : names_(std::move(names)),
          history_file_(history_path()),
          editor_(el_init("quorlite", stdin, stdout, stderr)),
          history_(history_init()) {
        if (editor_ == nullptr || history_ == nullptr) fail("the terminal cannot be used");
        history(history_, &event_, H_SETSIZE, limits::kHistoryEntries);
        history(history_, &event_, H_SETUNIQUE, 1);
        // A file that is not there yet is no history.
        if (!history_file_.empty()) history(history_, &event_, H_LOAD, history_file_.c_str());
        el_set(editor_, EL_CLIENTDATA, this);
        el_set(editor_, EL_PROMPT, &Terminal::give_prompt);
        el_set(editor_, EL_GETCFN, &Terminal::read_character);
        el_set(editor_, EL_EDITOR, "emacs");
        el_set(editor_, EL_HIST, history, history_);
        el_set(editor_, EL_ADDFN, "complete", "Complete the word", &Terminal::complete_word);
        el_set(editor_, EL_BIND, "^I", "complete", nullptr);
        el_set(editor_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
        el_source(editor_, nullptr);  // the person's own ~/.editrc
    }
    ~Terminal() override {
        history_end(history_);
        el_end(editor_);
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    std::optional<std::string> next(const std::string& prompt) override {
        prompt_ = prompt;
        int size = 0;
        const char* const line = el_gets(editor_, &size);
        if (interrupt::pending()) {
            std::fputs("^C\n", stdout);
            el_reset(editor_);
            return std::string();
        }
        if (line == nullptr || size <= 0) {
            std::fputs("\n", stdout);
            return std::nullopt;
        }
        std::string text(line, static_cast<std::size_t>(size));
        while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
        remember(text);
        return text;
    }

private:
    static Terminal& of(EditLine* editor) {
        void* data = nullptr;
        el_get(editor, EL_CLIENTDATA, &data);
        return *static_cast<Terminal*>(data);
    }

    // Ctrl-C must end the wait whenever it is pressed, also just before it begins: the signal is
    // let in by the wait alone.
    static int read_character(EditLine*, wchar_t* character) {
        sigset_t interruption;
        sigset_t before;
        ::sigemptyset(&interruption);
        ::sigaddset(&interruption, SIGINT);
        ::pthread_sigmask(SIG_BLOCK, &interruption, &before);
        int ready = 0;
        while (ready == 0 && !interrupt::pending()) {
            pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
            ready = ::ppoll(&input, 1, nullptr, &before);
            if (ready < 0 && errno == EINTR) ready = 0;
        }
        // Pressed before what can be read was typed: that is for the next line.
        sigset_t raised;
        ::sigemptyset(&raised);
        ::sigpending(&raised);
        if (::sigismember(&raised, SIGINT) == 1) ready = -1;
        const int result = ready > 0 ? decode_character(character) : -1;
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        return result;
    }

    // As libedit wants it: 1, or 0 at the end, or -1. Bytes that are no character become one.
    static int decode_character(wchar_t* character) {
        constexpr auto kMore = static_cast<std::size_t>(-2);
        constexpr auto kMalformed = static_cast<std::size_t>(-1);
        std::mbstate_t state{};
        std::size_t decoded = kMore;
        while (decoded == kMore) {
            char byte = 0;
            const ssize_t got = ::read(STDIN_FILENO, &byte, 1);
            if (got <= 0) return static_cast<int>(got);
            decoded = std::mbrtowc(character, &byte, 1, &state);
        }
        if (decoded == kMalformed) *character = L'\ufffd';
        // Ctrl-D that was pressed before libedit took over the terminal comes as this.
        if (*character == L'\0') *character = L'\x04';
        return 1;
    }

    static char* give_prompt(EditLine* editor) { return of(editor).prompt_.data(); }

    static unsigned char complete_word(EditLine* editor, int) {
        return of(editor).complete_at_cursor();
    }

    unsigned char complete_at_cursor() {
        const LineInfo* const line = el_line(editor_);
        const std::string_view text(line->buffer,
                                    static_cast<std::size_t>(line->cursor - line->buffer));
        const Completion found = complete(text, names_());
        if (found.candidates.empty()) return CC_ERROR;
        const std::size_t typed = text.size() - found.begin;
        std::string whole = common_prefix(found.candidates);
        if (found.candidates.size() == 1) whole += ' ';
        if (whole.size() <= typed && found.candidates.size() > 1) {
            show(found.candidates);
            return CC_REDISPLAY;
        }
        if (typed > 0)
            el_deletestr(editor_, static_cast<int>(display_width(text.substr(found.begin))));
        return el_insertstr(editor_, whole.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
    }

    static void show(const std::vector<std::string>& candidates) {
        std::string text = "\n";
        for (std::size_t i = 0; i < candidates.size() && i < limits::kCompletionsShown; ++i) {
            text.append(candidates[i]).append("  ");
        }
        std::fputs((text += '\n').c_str(), stdout);
    }

    void remember(const std::string& line) {
        if (trimmed(line).empty()) return;
        history(history_, &event_, H_ENTER, line.c_str());
        if (!history_file_.empty()) history(history_, &event_, H_SAVE, history_file_.c_str());
    }

    const std::function<Names()> names_;
    const std::string history_file_;
    std::string prompt_;
    EditLine* editor_;
    History* history_;
    HistEvent event_ = {};
};

}  // namespace

std::unique_ptr<LineSource> open_terminal(std::function<Names()> names) {
    return std::make_unique<Terminal>(std::move(names));
}

}  // namespace quorlite::shell
