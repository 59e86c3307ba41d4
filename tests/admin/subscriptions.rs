//! Who has subscribed to what, and the filters that have subscribers.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::SHARD_COUNTS;
use crate::client::{Client, Login};
use crate::rig::{Administration, Rig};

fn pairs(subscriptions: &[Value]) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    subscriptions.iter().map(|it| (text(&it["client_id"]), text(&it["filter"]))).collect()
}

#[test]
fn subscriptions_are_listed_by_what_is_asked_for() {
    for shards in SHARD_COUNTS {
        let rig = Rig::start(shards);
        let subscribed = [
            ("a", vec!["plant/+/state", "plant/#", "$share/g/jobs/+"]),
            ("b/c", vec!["plant/1/state", "$share/g/jobs/+", "$share/h/jobs/+"]),
            ("d", vec!["#"]),
        ];
        let mut clients = Vec::new();
        for (client_id, filters) in &subscribed {
            let mut client = Client::log_in(rig.address, Login::kept(client_id));
            filters.iter().for_each(|filter| client.subscribe(filter, 1));
            clients.push(client);
        }
        let is_expected = |query: &str, wanted: &dyn Fn(&str, &str) -> bool| {
            let all = subscribed.iter().flat_map(|(id, filters)| filters.iter().map(|filter| (*id, *filter)));
            let expected: BTreeSet<_> = all.filter(|(id, filter)| wanted(id, filter)).collect();
            let expected = expected.into_iter().map(|(id, filter)| (id.to_owned(), filter.to_owned())).collect();
            for limit in [1, 2, 100] {
                let (listed, _) = rig.list(&format!("/api/v1/subscriptions{query}"), "subscriptions", limit);
                assert_eq!(pairs(&listed), expected, "{query}");
                assert_eq!(listed.len(), expected.len(), "{query}: nothing comes twice");
            }
        };
        is_expected("", &|_, _| true);
        is_expected("?client_id=b%2Fc", &|id, _| id == "b/c");
        is_expected("?client_id=nobody", &|_, _| false);
        is_expected("?filter=%24share%2Fg%2Fjobs%2F%2B", &|_, filter| filter == "$share/g/jobs/+");
        is_expected("?shared=true", &|_, filter| filter.starts_with("$share/"));
        is_expected("?topic=plant/1/state", &|_, filter| filter.starts_with("plant") || filter == "#");
        is_expected("?topic=plant/1/state&client_id=a", &|id, filter| id == "a" && filter.starts_with("plant"));
        is_expected("?topic=jobs/1&shared=true", &|_, filter| filter.starts_with("$share"));
    }
}

#[test]
fn each_filter_is_listed_once_with_all_its_subscribers() {
    for shards in SHARD_COUNTS {
        let rig = Rig::start(shards);
        let mut clients: Vec<Client> = (0..20)
            .map(|number| {
                let mut client = Client::connect(rig.address, &format!("client-{number}"));
                client.subscribe("to/all", 0);
                client.subscribe("$share/workers/jobs/+", 0);
                client.subscribe(&format!("own/{number}/#"), 0);
                client
            })
            .collect();
        clients[7].subscribe("$share/others/jobs/+", 0);
        for limit in [3, 100] {
            let (topics, _) = rig.list("/api/v1/topics", "topics", limit);
            assert_eq!(topics.len(), 22, "{topics:#?}");
            let of = |filter: &str| topics.iter().find(|topic| topic["filter"] == filter).unwrap().clone();
            assert_eq!(of("to/all"), json!({ "filter": "to/all", "subscribers": 20, "groups": {} }));
            let groups = json!({ "workers": 20, "others": 1 });
            assert_eq!(of("jobs/+"), json!({ "filter": "jobs/+", "subscribers": 0, "groups": groups }));
            assert_eq!(of("own/13/#"), json!({ "filter": "own/13/#", "subscribers": 1, "groups": {} }));
        }
    }
}
