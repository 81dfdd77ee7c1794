// A transaction that is retried as a whole, and rows in bulk. Arguments: addresses of nodes.
#include <quorlite/quorlite.h>

#include <iostream>

int main(int count, char** arguments) {
    const quorlite::cluster cluster({arguments + 1, arguments + count});
    quorlite::pool pool(cluster, "example");
    {
        auto lease = pool.acquire();
        lease->execute_script(
            "CREATE TABLE IF NOT EXISTS accounts(id INTEGER PRIMARY KEY, amount INTEGER);"
            "DELETE FROM accounts;");
    }
    pool.run_transaction([](quorlite::transaction& tx) {
        auto accounts = tx.bulk_insert("accounts", {"id", "amount"});
        for (int id = 0; id < 1000; ++id) accounts.add(id, 100);
        std::cout << accounts.finish() << " accounts\n";
    });
    try {
        // May run more than once, if the leader changes in the middle of it.
        const int left = pool.run_transaction([](quorlite::transaction& tx) {
            tx.execute("UPDATE accounts SET amount = amount - 30 WHERE id = ?", 1);
            tx.execute("UPDATE accounts SET amount = amount + 30 WHERE id = ?", 2);
            return tx.query_value<int>("SELECT amount FROM accounts WHERE id = ?", 1);
        });
        std::cout << left << " left\n";
    } catch (const quorlite::in_doubt_error& unknown) {
        std::cerr << "look at the data: " << unknown.what() << '\n';
        return 1;
    }
}
