-- What the server itself stores under a client_id has a control character in front of it, which no client's id may hold: so
-- a client's message is never taken for a transfer or for the record of an arrival.
UPDATE message m JOIN conversation c ON c.id = m.conversation AND c.kind = 4
   SET m.client_id = CONCAT(X'02', SUBSTRING(m.client_id, 8))
 WHERE m.kind IN (2, 3) AND m.client_id IN ('record:join', 'record:leave');
UPDATE message m JOIN conversation c ON c.id = m.conversation AND c.kind = 4
   SET m.client_id = CONCAT(X'01', SUBSTRING(m.client_id, 3))
 WHERE m.kind = 8 AND m.client_id LIKE 't:%';
