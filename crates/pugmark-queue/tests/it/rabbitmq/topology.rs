//! What is declared, and what is made of what is there already.

use super::*;

fn of(world: &World, queue_type: QueueType) -> BrokerOptions {
    BrokerOptions {
        queue_type,
        ..world.broker.options()
    }
}

async fn up_with(world: &World, queue_type: QueueType) {
    let process = world.api(of(world, queue_type));
    process.up().await;
    process.stop().await;
}

async fn differs(world: &World, queue_type: QueueType) -> bool {
    let process = world.api(of(world, queue_type));
    let state = process
        .until(|state| matches!(state.publishing, Link::Down { .. } | Link::Up { .. }))
        .await;
    process.stop().await;
    matches!(
        state.publishing,
        Link::Down { why: BrokerError::Differs { name, .. }, .. } if name.starts_with(world.broker.prefix())
    )
}

async fn looking_at_a_broker_declares_nothing(world: World) {
    let found = look(&world.broker.options()).await.unwrap();
    assert_eq!((found.queues.len(), found.missing.len()), (0, 3));
    up_with(&world, QueueType::Classic).await;
    let found = look(&world.broker.options()).await.unwrap();
    assert_eq!((found.queues.len(), found.missing.len()), (2, 0));
}

async fn new_queues_are_quorum_queues_where_the_broker_offers_them(world: World) {
    up_with(&world, QueueType::Auto).await;
    assert!(!differs(&world, QueueType::Quorum).await);
    assert!(differs(&world, QueueType::Classic).await);
}

async fn a_queue_that_exists_is_taken_as_it_is_unless_a_form_is_asked_for(world: World) {
    up_with(&world, QueueType::Classic).await;
    up_with(&world, QueueType::Auto).await;
    assert!(differs(&world, QueueType::Quorum).await);
    assert!(!differs(&world, QueueType::Classic).await);
}

through_the_broker!(
    looking_at_a_broker_declares_nothing,
    new_queues_are_quorum_queues_where_the_broker_offers_them,
    a_queue_that_exists_is_taken_as_it_is_unless_a_form_is_asked_for,
);
