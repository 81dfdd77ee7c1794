// .backup: a database as a file that SQLite can open.
#include <algorithm>
#include <filesystem>
#include <memory>

#include "drivers/shell/administration.h"
#include "drivers/shell/commands.h"
#include "drivers/shell/interrupt.h"
#include "drivers/shell/progress.h"
#include "drivers/shell/shell.h"
#include "drivers/shell/text.h"

namespace quorlite::shell {

void back_up(Shell& shell, Words words) {
    std::vector<std::string> names(words.begin(), words.end());
    std::string node;
    const auto option = std::ranges::find(names, "--node");
    if (option != names.end()) {
        if (option + 1 == names.end()) fail("--node needs an id or an address");
        // An address is enough to reach the last node that is left; an id is one of a list that
        // only a leader gives.
        const std::string& word = *(option + 1);
        node = word.find(':') != std::string::npos ? word : find_node(shell, word).address;
        names.erase(option, option + 2);
    }
    const std::string database = names.size() == 2 ? names[0] : shell.client().database();
    if (names.empty() || names.size() > 2 || database.empty()) {
        fail("usage: .backup [DATABASE] FILE [--node NODE]");
    }
    // A server may send a WAL beside the database, which belongs beside the file; mostly it is
    // empty.
    std::vector<std::unique_ptr<NewFile>> files;
    Progress progress("backup", Unit::kBytes);
    std::uint64_t done = 0;
    std::uint64_t total = 0;
    bool stopped = false;
    shell.client().cluster().dump(
        database,
        [&](const dump_part& part) {
            if (part.bytes.empty()) {
                const bool first = files.empty();
                const bool wanted = first || part.file_bytes > 0;
                files.push_back(
                    wanted ? std::make_unique<NewFile>(names.back() + (first ? "" : "-wal"))
                           : nullptr);
                progress.set_total(total += part.file_bytes);
            } else {
                files.back()->write(
                    {reinterpret_cast<const char*>(part.bytes.data()), part.bytes.size()});
                progress.at(done += part.bytes.size());
            }
            stopped = interrupt::pending();
            return !stopped;
        },
        node);
    if (stopped) interrupt::check();
    // What belonged to an older file of that name would be taken for a part of this one.
    for (const char* const suffix : {"-wal", "-shm", "-journal"}) {
        std::filesystem::remove(names.back() + suffix);
    }
    // The WAL first: a database whose WAL is missing would look whole.
    for (std::size_t i = files.size(); i > 0; --i) {
        if (files[i - 1]) files[i - 1]->keep();
    }
    if (shell.interactive()) {
        shell.note(size_text(static_cast<double>(done)) + " in " + names.back());
    }
}

}  // namespace quorlite::shell
