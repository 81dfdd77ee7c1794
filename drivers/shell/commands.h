// The commands that begin with a dot: which there are, what they take, what they do.
//
// They are listed in one table, by which .help, completion and dispatch go. What each does stands
// in the file of its subject: settings, the schema, movement of data, the cluster.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/shell/completion.h"

namespace quorlite::shell {

class Shell;

using Words = std::span<const std::string>;  // after the command's name

struct CommandEntry {
    std::string_view name;
    std::string_view takes;  // for .help
    std::string_view does;
    std::size_t words_min = 0;
    std::size_t words_max = 0;
    void (*run)(Shell& shell, Words words) = nullptr;
};

std::span<const CommandEntry> commands();
// `words`: the name without its dot, and what follows. A name may be cut short where it is clear.
void run_command(Shell& shell, const std::vector<std::string>& words);

// schema.cc
void show_tables(Shell& shell, Words words);
void show_schema(Shell& shell, Words words);
void show_indexes(Shell& shell, Words words);
void show_databases(Shell& shell, Words words);
// For completion: nothing if they cannot be had at once.
Names names_of(Shell& shell);

// import.cc, export.cc, dump.cc, backup.cc
void import_file(Shell& shell, Words words);
void export_file(Shell& shell, Words words);
void dump_database(Shell& shell, Words words);
void back_up(Shell& shell, Words words);

// administration.cc
void show_cluster(Shell& shell, Words words);
void show_leader(Shell& shell, Words words);
void show_nodes(Shell& shell, Words words);
void show_status(Shell& shell, Words words);
void describe_node(Shell& shell, Words words);
void set_weight(Shell& shell, Words words);
void add_node(Shell& shell, Words words);
void assign_role(Shell& shell, Words words);
void remove_node(Shell& shell, Words words);
void transfer_leadership(Shell& shell, Words words);
void watch(Shell& shell, Words words);

}  // namespace quorlite::shell
