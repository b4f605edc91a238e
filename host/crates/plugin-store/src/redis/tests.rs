//! Values and buckets against a real `redis-server`, each node with a thread and connections of its own.

mod limits;
mod node;
mod outages;
mod quotas;
mod values;
