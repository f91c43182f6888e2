import { testOwnersRequests } from './owner-requests.ts'

testOwnersRequests(500)
