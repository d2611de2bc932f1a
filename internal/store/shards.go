package store

import (
	"github.com/paybell/paybell"
)

// Shards is how many parts the endpoints are dealt out in.
const Shards = 256

// ErrBuried means that others took this process for dead, and serve its
// endpoints now. It writes no results any more.
var ErrBuried = paybell.Errorf(paybell.Conflict, "other processes have taken over what this one served: it did not move for too long")

// JoinAlone makes a process the only one, with all shards. The caller knows that
// no other runs.
func (tx *Tx) JoinAlone(id string) error {
	if _, err := tx.exec("DELETE FROM processes"); err != nil {
		return err
	}
	if err := tx.Join(id); err != nil {
		return err
	}
	_, err := tx.exec("UPDATE shards SET owner = $1", id)
	return err
}

// Join adds a process, with no shards yet.
func (tx *Tx) Join(id string) error {
	_, err := tx.exec("INSERT INTO processes (id, beat) VALUES ($1, 0)", id)
	return err
}

// Leave takes a process out and frees its shards. What it has in flight must be
// recorded before.
func (tx *Tx) Leave(id string) error {
	if _, err := tx.exec("DELETE FROM processes WHERE id = $1", id); err != nil {
		return err
	}
	_, err := tx.exec("UPDATE shards SET owner = '' WHERE owner = $1", id)
	return err
}

// Beat says that a process lives, or ErrBuried.
func (tx *Tx) Beat(id string) error {
	n, err := tx.exec("UPDATE processes SET beat = beat + 1 WHERE id = $1", id)
	if err == nil && n == 0 {
		err = ErrBuried
	}
	return err
}

// Beats reads the beat of every process.
func (tx *Tx) Beats() (map[string]int64, error) {
	beats := map[string]int64{}
	_, err := list(tx, func(s scanner) (id string, err error) {
		var beat int64
		err = s.Scan(&id, &beat)
		beats[id] = beat
		return id, err
	}, "SELECT id, beat FROM processes")
	return beats, err
}

// Bury takes out a process whose beat has stood still, and frees its shards. From
// the commit on it records nothing; buried is false when it moved meanwhile.
func (tx *Tx) Bury(id string, beat int64) (buried bool, err error) {
	n, err := tx.exec("DELETE FROM processes WHERE id = $1 AND beat = $2", id, beat)
	if err != nil || n == 0 {
		return false, err
	}
	_, err = tx.exec("UPDATE shards SET owner = '' WHERE owner = $1", id)
	return err == nil, err
}

// TakeShards gives a process up to n shards that nobody has.
func (tx *Tx) TakeShards(id string, n int) error {
	// In one order: else two that take at once would wait for each other.
	if err := tx.lock("SELECT shard FROM shards WHERE owner = '' ORDER BY shard LIMIT $1", n); err != nil {
		return err
	}
	_, err := tx.exec(`UPDATE shards SET owner = $1 WHERE owner = '' AND shard IN (SELECT shard FROM shards WHERE owner = '' ORDER BY shard LIMIT $2)`, id, n)
	return err
}

// FreeShard gives one shard of a process back.
func (tx *Tx) FreeShard(id string, shard int) error {
	_, err := tx.exec("UPDATE shards SET owner = '' WHERE shard = $1 AND owner = $2", shard, id)
	return err
}

// OwnShards lists the shards of a process.
func (tx *Tx) OwnShards(id string) ([]int, error) {
	return list(tx, func(s scanner) (n int, err error) { return n, s.Scan(&n) }, "SELECT shard FROM shards WHERE owner = $1 ORDER BY shard", id)
}

// Serving fails with ErrBuried when the process was taken for dead. Until the end
// of this transaction nobody can do that; the process itself can beat.
func (tx *Tx) Serving(id string) error {
	query := "SELECT id FROM processes WHERE id = $1"
	if tx.db.dialect.shared {
		query += " FOR KEY SHARE"
	}
	_, found, err := one(tx, scanText, query, id)
	if err == nil && !found {
		err = ErrBuried
	}
	return err
}
