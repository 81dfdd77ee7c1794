// The blocking client: connect, write, read. Arguments: addresses of nodes.
#include <quorlite/quorlite.h>

#include <iostream>

int main(int count, char** arguments) {
    quorlite::cluster cluster({arguments + 1, arguments + count});
    quorlite::connection db = cluster.connect("example");

    db.execute("CREATE TABLE IF NOT EXISTS people(id INTEGER PRIMARY KEY, name TEXT, age INTEGER)");
    db.execute("DELETE FROM people");
    db.execute("INSERT INTO people(name, age) VALUES(?, ?)", "Ada", 36);
    db.execute("INSERT INTO people(name, age) VALUES(:name, :age)", quorlite::named("name", "Alan"),
               quorlite::named("age", nullptr));

    for (const auto& [name, age] :
         db.query<std::string, std::optional<int>>("SELECT name, age FROM people ORDER BY id")) {
        std::cout << name << ' ' << (age ? std::to_string(*age) : "unknown") << '\n';
    }
    // Without exceptions: the same calls, named try_...
    const auto again = db.try_execute("INSERT INTO people(id) VALUES(1)");
    constexpr int kConstraint = 19;  // of SQLite
    if (!again && again.error().code() == kConstraint) std::cout << again.error().message << '\n';
    std::cout << db.query_value<int>("SELECT count(*) FROM people") << " people\n";
}
