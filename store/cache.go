package store

import (
	"container/list"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/zipnode/zipnode/dag"
)

// A leafKey names a leaf by the recipe that gives it.
type leafKey struct {
	recipe digest
	i      int64
}

// A leafCache keeps decoded leaves, the last used, up to a number of bytes.
// Those who get one must not change it.
type leafCache struct {
	mu    sync.Mutex
	most  int64
	bytes int64
	order *list.List // of leafItem, newest first
	items map[leafKey]*list.Element
}

type leafItem struct {
	key  leafKey
	data []byte
}

func newLeafCache(most int64) *leafCache {
	return &leafCache{most: most, order: list.New(), items: map[leafKey]*list.Element{}}
}

func (c *leafCache) get(k leafKey) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.items[k]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(leafItem).data, true
}

func (c *leafCache) put(k leafKey, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.items[k]; ok {
		return
	}
	c.items[k] = c.order.PushFront(leafItem{k, data})
	c.bytes += int64(len(data))
	for c.bytes > c.most {
		last := c.order.Back()
		c.drop(last)
	}
}

func (c *leafCache) drop(e *list.Element) {
	item := e.Value.(leafItem)
	c.order.Remove(e)
	delete(c.items, item.key)
	c.bytes -= int64(len(item.data))
}

// clear forgets everything: what a damaged block gave may be among it.
func (c *leafCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.order.Init()
	c.items = map[leafKey]*list.Element{}
	c.bytes = 0
}

// A recipeCache keeps parsed recipes, and the pages of long ones.
type recipeCache struct {
	roots *lru.Cache[digest, *dag.Recipe]
	pages *lru.Cache[pageKey, []dag.Entry]
}

type pageKey struct {
	recipe digest
	page   int
}

func newRecipeCache(n int) *recipeCache {
	roots, err := lru.New[digest, *dag.Recipe](n)
	if err != nil {
		panic(err) // n is positive
	}
	pages, err := lru.New[pageKey, []dag.Entry](32)
	if err != nil {
		panic(err)
	}
	return &recipeCache{roots: roots, pages: pages}
}

func (c *recipeCache) clear() {
	c.roots.Purge()
	c.pages.Purge()
}
