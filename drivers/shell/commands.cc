#include "drivers/shell/commands.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "drivers/shell/shell.h"
#include "drivers/shell/text.h"

namespace quorlite::shell {
namespace {

bool on_or_off(const std::string& word) {
    if (same_word(word, "on") || word == "1") return true;
    if (same_word(word, "off") || word == "0") return false;
    fail("'" + word + "' is neither on nor off");
}

std::size_t small_number(const std::string& word) {
    std::uint16_t number = 0;
    const char* const end = word.data() + word.size();
    const auto [parsed, error] = std::from_chars(word.data(), end, number);
    if (error != std::errc() || parsed != end) fail("'" + word + "' is no number below 65536");
    return number;
}

void set_mode(Shell& shell, Words words) {
    if (words.empty()) {
        shell.output().write(std::string(name_of(shell.rendering().mode)) + "\n");
        return;
    }
    const auto mode = find_mode(words[0]);
    if (!mode) fail("'" + words[0] + "' is no mode: there are " + joined(mode_names(), ", "));
    shell.rendering().mode = *mode;
    if (words.size() > 1) shell.rendering().insert_into = words[1];
}

void set_headers(Shell& shell, Words words) {
    shell.rendering().headers = on_or_off(words[0]);
}

void set_null(Shell& shell, Words words) {
    shell.rendering().null_text = words[0];
}

void set_separator(Shell& shell, Words words) {
    shell.rendering().separator = words[0];
}

void set_widths(Shell& shell, Words words) {
    shell.rendering().widths.clear();
    for (const std::string& each : words) {
        shell.rendering().widths.push_back(small_number(each));
    }
}

void set_timer(Shell& shell, Words words) {
    shell.set_timer(on_or_off(words[0]));
}

void set_bail(Shell& shell, Words words) {
    shell.set_bail(on_or_off(words[0]));
}

void set_output(Shell& shell, Words words) {
    const bool to_file = !words.empty() && words[0] != "stdout" && words[0] != "-";
    shell.output().redirect(to_file ? words[0] : std::string());
}

void print_text(Shell& shell, Words words) {
    shell.output().write(joined({words.begin(), words.end()}, " ") + "\n");
}

void open_database(Shell& shell, Words words) {
    if (shell.client().in_transaction()) shell.note("The open transaction is rolled back.");
    shell.client().open(words[0]);
}

void read_script(Shell& shell, Words words) {
    shell.read_file(words[0]);
}

void quit(Shell& shell, Words words) {
    shell.quit(words.empty() ? 0 : static_cast<int>(small_number(words[0])));
}

std::string usage_of(const CommandEntry& command) {
    std::string usage(1, '.');
    usage.append(command.name);
    if (!command.takes.empty()) usage.append(" ").append(command.takes);
    return usage;
}

void help(Shell& shell, Words words) {
    std::string text;
    for (const CommandEntry& each : commands()) {
        if (!words.empty() && !each.name.starts_with(words[0])) continue;
        std::string usage = usage_of(each);
        usage.resize(std::max<std::size_t>(usage.size() + 2, 36), ' ');
        text.append(usage).append(each.does).append("\n");
    }
    if (text.empty()) fail("there is no command ." + words[0] + ": try .help");
    shell.output().write(text);
}

constexpr std::size_t kAny = 1000;

constexpr std::array kCommands = {
    CommandEntry{"add", "ID HOST:PORT [ROLE]", "Make a running node a member; ROLE: spare", 2, 3,
                 add_node},
    CommandEntry{"assign", "NODE voter|standby|spare", "Give a node another role", 2, 2,
                 assign_role},
    CommandEntry{"backup", "[DATABASE] FILE [--node NODE]", "A copy that SQLite can open", 1, 4,
                 back_up},
    CommandEntry{"bail", "on|off", "Stop a script at its first error", 1, 1, set_bail},
    CommandEntry{"cluster", "", "The members: role, who leads, whether they answer", 0, 0,
                 show_cluster},
    CommandEntry{"databases", "", "The databases that hold something", 0, 0, show_databases},
    CommandEntry{"describe", "[NODE]", "Failure domain and weight", 0, 1, describe_node},
    CommandEntry{"dump", "[TABLE...]", "The database, or these tables, as SQL", 0, kAny,
                 dump_database},
    CommandEntry{"exit", "[STATUS]", "As .quit; with this exit status, if nothing went wrong", 0, 1,
                 quit},
    CommandEntry{"export", "FILE TABLE|'SELECT...'", "A table or a result to .csv, .json or .sql",
                 2, 2, export_file},
    CommandEntry{"headers", "on|off", "Names above the columns of csv and list", 1, 1, set_headers},
    CommandEntry{"help", "[COMMAND]", "This", 0, 1, help},
    CommandEntry{"import", "[--no-header] FILE TABLE", "The records of a CSV file into a table", 2,
                 3, import_file},
    CommandEntry{"indexes", "[TABLE]", "Names of indexes", 0, 1, show_indexes},
    CommandEntry{"leader", "", "The node that leads", 0, 0, show_leader},
    CommandEntry{"mode", "[MODE [TABLE]]", "How results are written; TABLE: for insert", 0, 2,
                 set_mode},
    CommandEntry{"nodes", "", "The members, as the leader has them", 0, 0, show_nodes},
    CommandEntry{"nullvalue", "TEXT", "What NULL is written as", 1, 1, set_null},
    CommandEntry{"open", "NAME", "Use another database", 1, 1, open_database},
    CommandEntry{"output", "[FILE]", "Send results to a file, or back to the screen", 0, 1,
                 set_output},
    CommandEntry{"print", "TEXT...", "Write a text", 0, kAny, print_text},
    CommandEntry{"quit", "", "Leave; an open transaction is rolled back", 0, 0, quit},
    CommandEntry{"read", "FILE", "Execute a file", 1, 1, read_script},
    CommandEntry{"remove", "NODE", "Take a node out of the cluster", 1, 1, remove_node},
    CommandEntry{"schema", "[PATTERN]", "CREATE statements, of names LIKE the pattern", 0, 1,
                 show_schema},
    CommandEntry{"separator", "TEXT", "What stands between the values of a list", 1, 1,
                 set_separator},
    CommandEntry{"status", "", "Each node: role, term, indices, lag, latency", 0, 0, show_status},
    CommandEntry{"tables", "[PATTERN]", "Names of tables and views", 0, 1, show_tables},
    CommandEntry{"timer", "on|off", "Say how long each statement took", 1, 1, set_timer},
    CommandEntry{"transfer", "[NODE]", "Make another node the leader", 0, 1, transfer_leadership},
    CommandEntry{"watch", "[SECONDS [COUNT]]", "The status again and again, until Ctrl-C", 0, 2,
                 watch},
    CommandEntry{"weight", "NODE NUMBER", "A node's weight, until it is restarted", 2, 2,
                 set_weight},
    CommandEntry{"width", "[NUMBER...]", "The least widths of the columns of a table", 0, kAny,
                 set_widths},
};

const CommandEntry& find_command(const std::string& name) {
    const CommandEntry* found = nullptr;
    for (const CommandEntry& each : kCommands) {
        if (each.name == name) return each;
        if (name.empty() || !each.name.starts_with(name)) continue;
        if (found) fail("." + name + " may mean more than one command: try .help " + name);
        found = &each;
    }
    if (found == nullptr) fail("there is no command ." + name + ": try .help");
    return *found;
}

}  // namespace

std::span<const CommandEntry> commands() {
    return kCommands;
}

void run_command(Shell& shell, const std::vector<std::string>& words) {
    const CommandEntry& command = find_command(words[0]);
    const Words rest = Words(words).subspan(1);
    if (rest.size() < command.words_min || rest.size() > command.words_max) {
        fail("usage: " + usage_of(command));
    }
    command.run(shell, rest);
}

}  // namespace quorlite::shell
